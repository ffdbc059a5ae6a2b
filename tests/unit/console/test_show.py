"""What people read, and what completes what they type."""

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, InMemoryHistory

from runnerhub.cli.prompt import HISTORY_NAME, Names, history
from runnerhub.console.protocol import ConsoleError
from runnerhub.console.show import help_lines, lines_of, result_lines

if TYPE_CHECKING:
    from runnerhub.console.client import Client

ROW = {
    "level": 1,
    "name": "host:h1",
    "kind": "host",
    "phase": "running",
    "waiting": 0,
    "capacity": 128,
    "handled": 3,
    "restarts": 0,
    "age_seconds": 1.0,
}


def test_the_tree_as_text() -> None:
    rows = [
        ROW,
        {**ROW, "name": "api", "kind": "api", "waiting": 2, "restarts": 1},
        {"level": 2, "more": 9, "phases": {"running": 9}, "waiting": 4, "restarts": 0},
    ]
    assert list(lines_of("tree", {"rows": rows})) == [
        "  host:h1 (host)  running  handled 3",
        "  api  running  handled 3  waiting 2/128  restarts 1",
        "    … 9 more: 9 running  waiting 4",
    ]
    assert list(result_lines("tree", {"actors": 12, "truncated": True})) == ["12 actors, and more"]


def test_a_name_moves_no_cursor() -> None:
    (line,) = lines_of("tree", {"rows": [{**ROW, "name": "host:\x1b[2J\x07"}]})
    assert line == "  host:�[2J� (host)  running  handled 3"


def test_top_as_text() -> None:
    row = {"name": "intake", "kind": "intake", "messages": 30, "handling_seconds": 0.06}
    part = {
        "seconds": 2.0,
        "actors": 20,
        "messages": 40,
        "handling_seconds": 0.1,
        "rows": [{**row, "waiting": 1}, {**row, "name": "idle", "messages": 0, "waiting": 2}],
    }
    assert list(lines_of("top", part)) == [
        "20 actors, 20 messages/s, handling 5.0% of the time",
        "MESSAGES/S    TIME       EACH  WAITING  ACTOR",
        "      15.0    3.0%    2.00 ms        1  intake (intake)",
        "       0.0    3.0%    0.00 ms        2  idle (intake)",
    ]


def test_a_trace_as_text() -> None:
    note = {"at": "2026-01-01T10:11:12.000+00:00"}
    part = {
        "job": "job_1",
        "phase": "running",
        "explanation": "running on h1",
        "trouble": "refused",
        "events": [
            {"at": "2026-01-01T10:11:12.131415+00:00", "kind": "exited", "data": {"exit_code": "0"}}
        ],
        "notes": [
            {**note, "what": "took", "text": "CancelJob()", "handling_seconds": None},
            {**note, "what": "handled", "text": "", "handling_seconds": 0.0015},
        ],
    }
    assert list(lines_of("trace", part)) == [
        "job_1: running, running on h1",
        "the ledger cannot be read just now: refused",
        "10:11:12.131  event    exited  exit_code=0",
        "10:11:12.000  took     CancelJob()",
        "10:11:12.000  handled  in 1.50 ms",
    ]


def test_an_actor_as_text() -> None:
    note = {"seconds_ago": 1.25, "what": "took", "text": "Ping()", "handling_seconds": None}
    done = {**note, "what": "handled", "text": "", "handling_seconds": 0.002}
    actor = {
        "name": "host:h1",
        "kind": "host",
        "phase": "running",
        "supervisor": "hosts",
        "restart": "permanent",
        "restarts": 1,
        "age_seconds": 7.0,
        "handling_seconds": 0.002,
        "mailbox": {
            "depth": 1,
            "capacity": 128,
            "senders_waiting": 0,
            "received": 2,
            "refused": 0,
            "dropped": 0,
        },
        "children": 3,
        "facts": {"state": "ready", "labels": ["a", "b"], "detail": ""},
        "waiting": ["Sweep()"],
        "recent": [note, done, note],
        "stack": [
            {
                "task": "host:h1",
                "level": 0,
                "frames": [
                    {"file": "/x/site-packages/trio/a.py", "line": 7, "function": "f", "code": "g"}
                ],
            }
        ],
    }
    assert list(result_lines("actor", actor)) == [
        "host:h1 (host)  running",
        "  supervisor  hosts, restart permanent",
        "  restarts    1; alive for 7.0 s",
        "  mailbox     1 of 128 waiting, 0 senders wait for room; 2 taken in 2.0 ms, 0 refused",
        "  children    3",
        "  state       ready",
        "  labels      a, b",
        "  waiting",
        "    Sweep()",
        "  recent",
        "       1.2 s ago  took     Ping()  (in 2.00 ms)",
        "       1.2 s ago  took     Ping()",
        "  stack",
        "    host:h1",
        "      trio/a.py:7",
        "        f: g",
    ]
    assert "  recent     none" in result_lines("actor", {**actor, "recent": []})


def test_steering_as_text() -> None:
    host = {"name": "h1", "state": "draining", "detail": "is draining", "slots": 4}
    result = {"host": {**host, "running": ["a"]}}
    assert list(result_lines("drain", result)) == ["h1 is draining; 1 of 4 slots taken"]
    assert list(lines_of("restart", {"restarting": ["api", "console"]})) == [
        "restarting api, console …"
    ]
    assert list(result_lines("restart", {"restarted": ["api"]})) == ["restarted api"]


def test_help_lists_every_command_that_people_type() -> None:
    text = "\n".join(help_lines())
    assert "trace JOB [--seconds N]" in text
    assert "names" not in text.split()


class FakeClient:
    """Knows two actors."""

    def __init__(self) -> None:
        self.result: dict[str, Any] = {}
        self.away = False

    def call(self, command: str, args: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Answer `names`."""
        assert command == "names"
        if self.away:
            raise ConsoleError("gone")
        known = {"actor": ["host:h1", "hosts"], "job": ["job_1"], "host": ["h1"]}[args["of"]]
        self.result = {"names": [name for name in known if name.startswith(args["prefix"])]}
        yield from ()


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("tr", ["tree", "trace"]),
        ("ex", ["exit"]),
        ("na", []),
        ("nope x", []),
        ("actor host:", ["host:h1"]),
        ("trace ", ["job_1"]),
        ("drain ", ["h1"]),
        ("top --", ["--interval", "--count", "--by", "--limit"]),
        ("top --by m", ["messages"]),
        ("top --count ", []),
        ("tree --all ho", ["host:h1", "hosts"]),
    ],
)
def test_completion(typed: str, words: list[str]) -> None:
    names = Names(cast("Client", FakeClient()))
    found = list(names.get_completions(Document(typed), CompleteEvent()))
    assert [each.text for each in found] == words
    assert all(each.start_position == -len(typed.rpartition(" ")[2]) for each in found)


def test_completion_without_a_node_completes_nothing() -> None:
    client = FakeClient()
    client.away = True
    names = Names(cast("Client", client))
    assert list(names.get_completions(Document("actor h"), CompleteEvent())) == []


def test_the_history_is_the_owners_alone(tmp_path: Path) -> None:
    kept = history(tmp_path)
    assert isinstance(kept, FileHistory)
    kept.append_string("tree")
    assert stat.S_IMODE((tmp_path / HISTORY_NAME).stat().st_mode) == 0o600
    assert list(history(tmp_path).load_history_strings()) == ["tree"]
    assert isinstance(history(tmp_path / "nowhere"), InMemoryHistory)
