"""A fake API that answers as a test says, and a clock that no test waits for."""

import sys
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

Answers = dict[str, Any]
Serve = Callable[[Answers], list[httpx.Request]]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Answer each path with what the test says; return the requests that came.

    A list is worked off answer by answer, the last one for good; a function is asked each time.
    """
    monkeypatch.setenv("RUNNERHUB_TOKEN", "a.token")
    monkeypatch.setenv("RUNNERHUB_URL", "http://hub.test")
    # Who tells why a job waits would take answers that a test means for somebody else.
    monkeypatch.setattr(sys.modules["runnerhub.cli.submit"], "LOOK_SECONDS", 3600.0)
    clients: list[httpx.Client] = []

    def serve(answers: Answers) -> list[httpx.Request]:
        seen: list[httpx.Request] = []

        def handle(request: httpx.Request) -> httpx.Response:
            seen.append(request)
            answer = answers[f"{request.method} {request.url.path}"]
            if isinstance(answer, list) and answer:
                answer = answer.pop(0) if len(answer) > 1 else answer[0]
            if callable(answer):
                answer = answer(request)
            if isinstance(answer, bytes):
                return httpx.Response(200, content=answer)
            if isinstance(answer, httpx.Response):
                return answer
            if isinstance(answer, BaseException):
                raise answer
            return httpx.Response(200, json=answer)

        real = httpx.Client

        def client(**more: Any) -> httpx.Client:
            made = real(transport=httpx.MockTransport(handle), **more)
            clients.append(made)
            return made

        monkeypatch.setattr(httpx, "Client", client)
        return seen

    yield serve
    for client in clients:
        client.close()


class FakeTime:
    """What `follow` takes for the module `time`; pauses are noted and cost nothing."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    """The clock by which contact is looked for."""
    fake = FakeTime()
    monkeypatch.setattr("runnerhub.cli.follow.time", fake)
    return fake
