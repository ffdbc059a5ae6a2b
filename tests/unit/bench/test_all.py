"""All scenarios one after the other: what fails is told, and keeps none from running."""

import sys

import pytest

from bench import __main__ as command
from bench import all as everything
from bench.scenarios import names


def test_all_run_and_what_failed_is_told_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[str] = []

    def run(words: list[str]) -> int:
        ran.append(words[3])
        return {"idle": 1, "budget": command.MISSED, "running": -1}.get(words[3], 0)

    monkeypatch.setattr(everything, "run", run)
    monkeypatch.setattr(sys, "argv", ["bench.all"])
    assert everything.main() == 1
    assert sorted(ran) == names()
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "missed a goal: budget",
        "failed: idle, running",
    ]


def test_what_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    assert everything.run([sys.executable, "-c", "raise SystemExit(3)"]) == command.MISSED
    monkeypatch.setattr(everything, "PATIENCE", 0.05)
    assert everything.run([sys.executable, "-c", "import time; time.sleep(60)"]) == -1


def test_a_scenario_runs_where_another_is_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "bench.scenarios.idle", None)
    monkeypatch.setattr(sys, "argv", ["bench", "mailbox", "--help"])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 0
    assert "--askers" in capsys.readouterr().out
