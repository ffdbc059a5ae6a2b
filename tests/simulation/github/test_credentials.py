"""Credentials: several Apps and installations, tokens renewed ahead, fetched once."""

from datetime import UTC, datetime

import pytest
import trio
from trio.testing import MockClock

from runnerhub.ports.github import (
    Authorization,
    Credential,
    GitHubRefused,
    GitHubUnavailable,
    Request,
    Response,
)
from runnerhub.sim.counters import MemoryCounters
from tests.simulation.github.fake import FakeGitHub, wall
from tests.simulation.github.nodes import TOKEN, Node, running


class Signer:
    def sign(self) -> str:
        return "jwt"


class Apps(FakeGitHub):
    """Give out installation tokens, and take only those that are still good."""

    def __init__(self) -> None:
        super().__init__()
        self.given: dict[str, float] = {}
        self.asked_with: list[tuple[str, str]] = []
        self.away = False

    async def send(
        self, request: Request, authorization: Authorization, etag: str | None = None
    ) -> Response:
        if request.kind == "app_token":
            if self.away:
                raise GitHubUnavailable("no connection", sent=False)
            assert authorization == Authorization("bearer", "jwt")
            token = f"{request.path.split('/')[3]}-{len(self.given) + 1}"
            self.given[token] = wall() + 3600
            ends = datetime.fromtimestamp(wall() + 3600, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            self.script[request.method, request.path] = Response(
                201, {}, {"token": token, "expires_at": ends}
            )
        elif request.kind == "app_installation":
            found = {"/orgs/acme/installation": 77, "/users/bob/installation": 88}
            number = found.get(request.path)
            answer = Response(200, {}, {"id": number}) if number else Response(404)
            self.script[request.method, request.path] = answer
        else:
            self.asked_with.append((request.path, authorization.token))
            good = authorization.token == "t" or self.given.get(authorization.token, 0) > wall()
            self.script[request.method, request.path] = (
                {"ok": True} if good else Response(401, {}, {"message": "Bad credentials"})
            )
        return await super().send(request, authorization, etag)


def app(name: str = "app", installation: int | None = 5, *accounts: str) -> Credential:
    return Credential(name, frozenset(accounts), None, "1", installation, Signer())


def get(path: str = "/repos/a/b") -> Request:
    return Request("GET", path, cached=False)


async def test_a_token_is_fetched_once_for_many_and_renewed_ahead(
    autojump_clock: MockClock,
) -> None:
    github = Apps()
    node = Node(github, MemoryCounters(), credentials=(app(),))
    async with running(node) as (gateway,):
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(gateway.call, get())
        assert list(github.given) == ["5-1"]
        await trio.sleep(3100)
        await gateway.call(get())  # still the old one, while a new one is fetched
        await trio.sleep(1)
        await gateway.call(get())
        assert [token for _, token in github.asked_with[-2:]] == ["5-1", "5-2"]
        # While it cannot be renewed, the old one serves as long as it lasts.
        github.away = True
        await trio.sleep(3100)
        await gateway.call(get())
        await trio.sleep(600)
        with pytest.raises(GitHubUnavailable):
            await gateway.call(get())
        github.away = False
        await gateway.call(get())
    assert {b.credential for b in node.desk.buckets} == {"app-1-5", "app-1"}


async def test_a_token_that_github_does_not_take_is_fetched_anew_once(
    autojump_clock: MockClock,
) -> None:
    github = Apps()
    async with running(Node(github, MemoryCounters(), credentials=(app(),))) as (gateway,):
        await gateway.call(get())
        github.given["5-1"] = 0
        await gateway.call(get())
        assert list(github.given) == ["5-1", "5-2"]
    plain = Apps()
    wrong = Credential("pat", token="revoked")
    async with running(Node(plain, MemoryCounters(), credentials=(wrong,))) as (gateway,):
        with pytest.raises(GitHubRefused) as caught:
            await gateway.call(get())
        assert caught.value.status == 401
        assert len(plain.asked_with) == 1


async def test_each_owner_has_its_credential(autojump_clock: MockClock) -> None:
    github = Apps()
    credentials = (app("acme", 5, "acme"), app("others", None, "bob", "eve"), TOKEN)
    async with running(Node(github, MemoryCounters(), credentials=credentials)) as (gateway,):
        for path in ("/repos/Acme/x", "/orgs/acme", "/repos/bob/y", "/repos/zoe/z", "/rate_limit"):
            await gateway.call(get(path))
        with pytest.raises(GitHubRefused, match="not installed at eve"):
            await gateway.call(get("/users/eve"))
        request = Request("GET", "/app", credential="acme", cached=False)
        await gateway.call(request)
    used = [token for _, token in github.asked_with]
    assert used == ["5-1", "5-1", "88-2", "t", "t", "5-1"]
