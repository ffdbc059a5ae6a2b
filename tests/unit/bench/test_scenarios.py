"""Every scenario can be asked for; the quick ones run, small, so that they do not rot."""

import itertools
import json
from pathlib import Path

import pytest

from bench import __main__ as command
from bench.load import Answers, Load, request, run_client
from bench.null_server import a_null_server
from bench.plot import draw
from bench.result import Result
from bench.scenarios import scenarios


def test_every_scenario_says_what_it_measures() -> None:
    for name, scenario in scenarios().items():
        assert (scenario.__doc__ or "").strip(), name
    assert command.parser().parse_args(["mailbox", "--json"]).run


@pytest.mark.parametrize(
    ("arguments", "figure"),
    [
        (["mailbox", "--rounds", "1", "--count", "200", "--askers", "2"], "ask.2.of_best_trio"),
        (["restart", "--crashes", "3", "--siblings", "2"], "crash_to_first_message.p50"),
        (["sync", "--repositories", "3", "--busy", "1", "--hours", "0.1"], "naive_of.webhooks"),
        (["spawn", "--counts", "50"], "idle.runnerhub.50"),
    ],
)
def test_a_result_is_one_json_object_at_the_end(
    arguments: list[str],
    figure: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(command, "RESULTS", tmp_path)
    monkeypatch.setattr("sys.argv", ["bench", *arguments, "--name", "it", "--json"])
    assert command.main() == 0
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figure in [each["name"] for each in printed["figures"]]
    saved = Result.load(tmp_path / "it.json")
    assert saved.machine["cores"] >= 1
    assert "<rect" in draw(saved, tmp_path / "it.svg").read_text()


def test_the_client_counts_what_comes_back() -> None:
    with a_null_server() as port:
        load = Load("127.0.0.1", port, itertools.repeat(request("GET", "/")))
        answers = run_client(load.run(4, 0.1, warm_up=0.0))
    assert answers.rate > 0
    answers.expect(200)
    with pytest.raises(RuntimeError, match="not what was expected"):
        answers.expect(201)


def test_broken_connections_are_not_overlooked() -> None:
    with pytest.raises(RuntimeError, match="1 broken"):
        Answers(broken=1).expect(200)
