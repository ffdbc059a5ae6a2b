"""A log is followed over breaks: nothing is doubled, nothing is waited for without an end."""

import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runnerhub.cli.follow import Seen
from tests.unit.cli import DELEGATE, JOB, LOGS, RUNNING, STATUS, run, stream
from tests.unit.cli.conftest import FakeTime, Serve

BROKEN = httpx.RemoteProtocolError("peer closed connection")
REFUSED = httpx.ConnectError("refused")
AWAY = httpx.Response(503, json={"title": "Service Unavailable", "detail": "no PostgreSQL"})
SECOND = {**RUNNING, "attempt": 2, "explanation": "queued again"}


def test_a_break_doubles_and_loses_nothing(api: Serve, clock: FakeTime) -> None:
    api(
        {
            DELEGATE: RUNNING,
            STATUS: [RUNNING, RUNNING, REFUSED, AWAY, RUNNING, RUNNING, JOB],
            LOGS: [stream(b"one\ntw", BROKEN), stream(b"one", b"\ntwo\n", b"three\n")],
        }
    )
    done = run("submit", "--image", "x")
    assert done.exit_code == 0, done.output
    assert done.stdout == "one\ntwo\nthree\n"
    assert done.stderr.splitlines() == [
        "job_1 accepted",
        "runnerhub: contact lost (peer closed connection); looking for it for 60 s",
        "runnerhub: contact is back",
        "success: the command exited 0",
    ]
    assert clock.pauses == [0.2, 0.4, 0.8]


def test_a_log_that_ends_before_its_job_is_a_break(api: Serve, clock: FakeTime) -> None:
    api(
        {
            STATUS: [RUNNING, RUNNING, RUNNING, RUNNING, RUNNING, JOB],
            LOGS: [stream(b"one\n"), stream(b"one\n", b"two\n")],
        }
    )
    done = run("logs", "--follow", "job_1")
    assert (done.stdout, done.exit_code) == ("one\ntwo\n", 0)


def test_an_attempt_that_began_meanwhile_is_printed_whole(api: Serve, clock: FakeTime) -> None:
    api(
        {
            STATUS: [RUNNING, RUNNING, SECOND, SECOND, {**JOB, "attempt": 2}],
            LOGS: [stream(b"one\ntwo\n", BROKEN), stream(b"one\n")],
        }
    )
    done = run("logs", "-f", "job_1")
    assert done.stdout == "one\ntwo\n\n[attempt 2: queued again]\none\n"


def test_an_attempt_that_begins_while_opening_is_asked_for_again(
    api: Serve, clock: FakeTime
) -> None:
    api(
        {
            STATUS: [RUNNING, SECOND, SECOND, {**JOB, "attempt": 2}],
            LOGS: [stream(b"of either"), stream(b"two\n")],
        }
    )
    assert run("logs", "-f", "job_1").stdout == "two\n"
    assert clock.pauses == []


def test_without_contact_it_gives_up_in_time(api: Serve, clock: FakeTime) -> None:
    began = clock.now
    api({DELEGATE: RUNNING, STATUS: [RUNNING, RUNNING, REFUSED], LOGS: stream(b"one\n", BROKEN)})
    done = run("submit", "--image", "x", "--patience", "7")
    assert done.exit_code == 125
    assert clock.now - began == pytest.approx(7.0)
    last = done.stderr.splitlines()[-1]
    assert "no contact with http://hub.test for 7 s (refused)" in last
    assert "`runnerhub logs --follow job_1`" in last


def test_pauses_grow_to_a_bound(api: Serve, clock: FakeTime) -> None:
    api({STATUS: [RUNNING, RUNNING, REFUSED], LOGS: stream(b"one\n", BROKEN)})
    assert run("logs", "-f", "job_1").exit_code == 125
    assert clock.pauses[:7] == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert sum(clock.pauses) == pytest.approx(60.0)


def test_a_node_that_never_answered_is_not_waited_for(api: Serve, clock: FakeTime) -> None:
    api({STATUS: REFUSED})
    done = run("logs", "-f", "job_1")
    assert done.exit_code == 1
    assert "does not answer (refused)" in done.stderr
    assert clock.pauses == []


def test_what_the_node_refuses_for_good_is_not_asked_again(api: Serve, clock: FakeTime) -> None:
    gone = httpx.Response(404, json={"title": "Not Found", "detail": "there is no job job_1"})
    api({STATUS: [RUNNING, RUNNING, gone], LOGS: stream(b"one\n", BROKEN)})
    done = run("logs", "-f", "job_1")
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1] == "runnerhub: Not Found: there is no job job_1"


def test_each_line_is_an_object(api: Serve, clock: FakeTime) -> None:
    api(
        {
            STATUS: [RUNNING, RUNNING, RUNNING, RUNNING, JOB],
            LOGS: [stream(b"one\ntw", BROKEN), stream(b"one\n", b'two "\xff"\n\nend')],
        }
    )
    done = run("logs", "--json", "-f", "job_1")
    lines = [json.loads(line)["line"] for line in done.stdout.splitlines()]
    assert lines == ["one", 'two "\ufffd"', "", "end"]


def test_a_log_as_it_is_now_is_not_followed(api: Serve) -> None:
    seen = api({LOGS: b"one\ntwo"})
    assert run("logs", "job_1").stdout == "one\ntwo"
    assert run("logs", "--json", "job_1").stdout == '{"line": "one"}\n{"line": "two"}\n'
    assert {request.url.params["follow"] for request in seen} == {"false"}


def test_json_after_a_log_begins_a_line(api: Serve) -> None:
    api({DELEGATE: RUNNING, STATUS: [RUNNING, RUNNING, JOB], LOGS: b"no line break"})
    done = run("submit", "--image", "x", "--json")
    assert done.stdout.splitlines()[0] == "no line break"
    assert json.loads(done.stdout.splitlines()[1]) == JOB


# Jobs may print what looks like the node's own words.
FIRST = b"a line\n\n[attempt 2: not yet]\nanother\n\n[attempt 1: so it is]\n"
MARKER = b"\n[attempt 2: lost]\n"
LATER = b"a line\n\n[attempt 1: long past]\nanother\n"
SERVED = FIRST + MARKER + LATER  # what somebody sees who follows from the beginning


@given(st.lists(st.integers(0, len(SERVED)), max_size=6), st.integers(1, 9))
def test_wherever_it_breaks_each_attempt_is_printed_once(breaks: list[int], size: int) -> None:
    seen, printed = Seen(), b""
    for end in [*sorted(breaks), len(SERVED)]:
        # Whoever comes back is served the attempt of that moment, from its beginning.
        begin = 0 if len(printed) < len(FIRST + MARKER) else len(FIRST + MARKER)
        text = SERVED[begin : max(begin, end)]
        parts = (text[at : at + size] for at in range(0, len(text), size))
        printed += b"".join(seen.rest(2 if begin else 1, iter(parts)))
    assert printed == SERVED
