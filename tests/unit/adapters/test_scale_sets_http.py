"""The client of the scale-set service, against the simulated one."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

import httpx
import pytest
import trio

from runnerhub.adapters.github import HttpTransport
from runnerhub.adapters.github.scale_set_tokens import config_url
from runnerhub.adapters.github.scale_sets import HttpScaleSets
from runnerhub.model.scale_set_job import RequestState
from runnerhub.ports.github import (
    Authorization,
    GitHub,
    GitHubRefused,
    GitHubUnavailable,
    Request,
    Response,
)
from runnerhub.ports.scale_sets import (
    QueueTokenExpired,
    ScaleSetRefused,
    ScaleSetsUnavailable,
    Session,
    SessionConflict,
    SessionLost,
)
from runnerhub.sim.github.faults import Ordered
from runnerhub.sim.github.orders import RunOrder
from runnerhub.sim.github.serving import TOKEN, SimGitHub, sim_github

SCOPE = "/repos/acme/web"


class PlainGateway:
    """Sends what it is given, at once."""

    def __init__(self, sim: SimGitHub) -> None:
        self.transport = HttpTransport(sim.url, transport=sim.transport)
        self.calls: list[Request] = []
        self.broken: Exception | None = None

    async def call(self, request: Request) -> Response:
        if self.broken is not None:
            raise self.broken
        self.calls.append(request)
        answer = await self.transport.send(request, Authorization("bearer", TOKEN))
        if answer.status >= 400:
            raise GitHubRefused(answer.status, str(answer.data))
        return answer


@dataclass
class Place:
    sim: SimGitHub
    gateway: PlainGateway
    service: HttpScaleSets

    def order(self, *labels: str, count: int = 1) -> list[int]:
        order = RunOrder(repository="acme/web", labels=list(labels), count=count)
        return [job.id for run in self.sim.state.work.queue(order) for job in run.jobs]

    def next_fault(self, match: str, kind: Any = "error", count: int = 1) -> None:
        self.sim.state.core.faults.ordered.append(Ordered(match, kind, count))

    def calls(self, route: str) -> int:
        return sum(n for name, n in self.sim.site.calls.items() if route in name)

    def another(self, url: str, answer: Callable[[httpx.Request], httpx.Response]) -> HttpScaleSets:
        gateway = cast("GitHub", self.gateway)
        return HttpScaleSets(gateway, url, transport=httpx.MockTransport(answer))

    async def listening(self) -> Session:
        made = await self.service.create(SCOPE, "big", 1, ["big"])
        return await self.service.open_session(SCOPE, made.id, "me")


@asynccontextmanager
async def a_place() -> AsyncIterator[Place]:
    async with sim_github() as sim:
        sim.state.places.add_repository("acme/web")
        sim.state.scale_sets.bom = True
        gateway = PlainGateway(sim)
        service = HttpScaleSets(cast("GitHub", gateway), sim.url, transport=sim.transport)
        yield Place(sim, gateway, service)
        await service.close()


@pytest.mark.parametrize(
    ("api", "scope", "expected"),
    [
        ("https://api.github.com", "/repos/acme/web", "https://github.com/acme/web"),
        ("https://api.github.com/", "/orgs/acme", "https://github.com/acme"),
        ("https://api.acme.ghe.com", "/orgs/acme", "https://acme.ghe.com/acme"),
        (
            "https://ghe.acme.example/api/v3",
            "/enterprises/a",
            "https://ghe.acme.example/enterprises/a",
        ),
        ("https://api.acme.example/api/v3", "/orgs/a", "https://api.acme.example/a"),
        ("http://127.0.0.1:8090", "/repos/acme/web", "http://127.0.0.1:8090/acme/web"),
    ],
)
def test_the_address_of_a_scope(api: str, scope: str, expected: str) -> None:
    assert config_url(api, scope) == expected


async def test_a_job_goes_all_the_way(autojump_clock: object) -> None:
    async with a_place() as place:
        service = place.service
        assert await service.find(SCOPE, "big", 1) is None
        made = await service.create(SCOPE, "big", 1, ["big", "linux"])
        assert made.labels == ("big", "linux")
        assert await service.create(SCOPE, "big", 1, ["other"]) == made
        assert await service.find(SCOPE, "big", 1) == made
        session = await service.open_session(SCOPE, made.id, "me")
        assert "queue" not in repr(session).replace("queue_url", "").replace("queue_token", "")
        [job] = place.order("big")
        message = await service.poll(session, 0, 5)
        assert message is not None
        assert message.statistics is not None
        assert message.statistics.available_jobs == 1
        assert message.newest_at is not None
        [offer] = message.jobs
        assert (offer.request_id, offer.state, offer.job_id) == (job, RequestState.AVAILABLE, job)
        assert (offer.job.repository, offer.job.labels) == ("acme/web", ("big",))
        await service.acknowledge(session, message.id)
        await service.acknowledge(session, message.id)
        assert list(await service.acquire(session, [job, 999])) == [job]
        registered = await service.register(SCOPE, made.id, "r1")
        assert registered.config
        assert registered.config not in repr(registered)
        with pytest.raises(ScaleSetRefused) as taken:
            await service.register(SCOPE, made.id, "r1")
        assert (taken.value.status, taken.value.kind) == (409, "AgentExistsException")
        assert await service.deregister(SCOPE, "r1")
        assert await service.deregister(SCOPE, "r1")
        await service.close_session(SCOPE, made.id, session.id)
        await service.close_session(SCOPE, made.id, session.id)


async def test_without_news_a_poll_is_empty(autojump_clock: object) -> None:
    async with a_place() as place:
        session = await place.listening()
        assert await place.service.poll(session, 0, 5) is None
        assert trio.current_time() == pytest.approx(50, abs=1)


async def test_capacity_bounds_what_is_offered(autojump_clock: object) -> None:
    async with a_place() as place:
        session = await place.listening()
        place.order("big", count=5)
        message = await place.service.poll(session, 0, 2)
        assert message is not None
        assert len(message.jobs) == 2


async def test_tokens_are_kept_and_renewed_ahead_of_their_end(autojump_clock: object) -> None:
    async with a_place() as place:
        place.sim.state.registration.admin_seconds = 600.0
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(place.service.find, SCOPE, "big", 1)
        assert (len(place.gateway.calls), place.calls("runner-registration")) == (1, 1)
        await trio.sleep(530)
        await place.service.find(SCOPE, "big", 1)
        assert place.calls("runner-registration") == 1
        await trio.sleep(20)
        await place.service.find(SCOPE, "big", 1)
        assert (len(place.gateway.calls), place.calls("runner-registration")) == (1, 2)
        await trio.sleep(3600)
        await place.service.find(SCOPE, "big", 1)
        assert len(place.gateway.calls) == 2


async def test_tokens_that_are_refused_are_replaced_once(autojump_clock: object) -> None:
    async with a_place() as place:
        await place.service.find(SCOPE, "big", 1)
        registration = place.sim.state.registration
        registration._key = registration._key[::-1]
        registration._tokens.clear()
        await place.service.find(SCOPE, "big", 1)
        assert (len(place.gateway.calls), place.calls("runner-registration")) == (2, 3)


async def test_a_gateway_that_fails_is_told_apart(autojump_clock: object) -> None:
    async with a_place() as place:
        place.gateway.broken = GitHubUnavailable("away")
        with pytest.raises(ScaleSetsUnavailable):
            await place.service.find(SCOPE, "big", 1)
        place.gateway.broken = GitHubRefused(403, "not for you")
        with pytest.raises(ScaleSetRefused, match="not for you"):
            await place.service.find(SCOPE, "big", 1)


async def test_an_expired_queue_token_is_refreshed(autojump_clock: object) -> None:
    async with a_place() as place:
        place.sim.state.registration.queue_seconds = 100
        session = await place.listening()
        await trio.sleep(101)
        with pytest.raises(QueueTokenExpired):
            await place.service.poll(session, 0, 1)
        session = await place.service.refresh_session(session)
        [job] = place.order("big")
        assert await place.service.poll(session, 0, 1)
        assert list(await place.service.acquire(session, [job])) == [job]


async def test_a_session_that_is_taken_over_is_lost(autojump_clock: object) -> None:
    async with a_place() as place:
        session = await place.listening()
        with pytest.raises(SessionConflict):
            await place.service.open_session(SCOPE, session.scale_set, "you")
        await place.service.close_session(SCOPE, session.scale_set, session.id)
        await place.service.open_session(SCOPE, session.scale_set, "you")
        with pytest.raises(QueueTokenExpired):
            await place.service.poll(session, 0, 1)
        with pytest.raises(SessionLost):
            await place.service.refresh_session(session)


async def test_what_may_be_sent_twice_is(autojump_clock: object) -> None:
    async with a_place() as place:
        session = await place.listening()
        [job] = place.order("big")
        for match in ("GET /actions-service/_apis/runtime/runnerscalesets", "acquirejobs"):
            place.next_fault(match, "lost")
            place.next_fault(match, "error")
            if match == "acquirejobs":
                assert list(await place.service.acquire(session, [job])) == [job]
            else:
                assert await place.service.find(SCOPE, "big", 1)
        place.next_fault("generatejitconfig", "lost")
        with pytest.raises(ScaleSetsUnavailable):
            await place.service.register(SCOPE, session.scale_set, "r1")
        assert place.calls("generatejitconfig") == 1
        place.next_fault("generatejitconfig", "too_many")
        with pytest.raises(ScaleSetsUnavailable):
            await place.service.register(SCOPE, session.scale_set, "r2")


async def test_a_busy_runner_stays(autojump_clock: object) -> None:
    async with a_place() as place:
        session = await place.listening()
        [job] = place.order("big")
        await place.service.acquire(session, [job])
        await place.service.register(SCOPE, session.scale_set, "r1")
        [runner] = place.sim.state.fleet
        assert place.sim.state.work.take(runner) is not None
        assert not await place.service.deregister(SCOPE, "r1")
        place.sim.state.work.finish(place.sim.state.work.job(job), "success")
        assert await place.service.deregister(SCOPE, "r1")


async def test_other_peoples_pages_are_an_outage(autojump_clock: object) -> None:
    async with a_place() as place:

        def answer(request: httpx.Request) -> httpx.Response:
            if request.url.path.endswith("runner-registration"):
                return httpx.Response(200, json={"url": f"{place.sim.url}/x", "token": "no.jwt"})
            return httpx.Response(200, text="<html>log in</html>")

        service = place.another(place.sim.url, answer)
        with pytest.raises(ScaleSetsUnavailable, match="not JSON"):
            await service.find(SCOPE, "big", 1)
        await service.close()


async def test_no_token_goes_to_a_less_safe_address(autojump_clock: object) -> None:
    async with a_place() as place:
        answer = httpx.Response(200, json={"url": "http://elsewhere.test", "token": "t"})
        service = place.another("https://github.test", lambda _: answer)
        with pytest.raises(ScaleSetRefused, match="less safe"):
            await service.find(SCOPE, "big", 1)
        await service.close()


async def test_a_session_keeps_its_address_over_a_refresh(autojump_clock: object) -> None:
    async with a_place() as place:
        session = await place.listening()
        assert replace(await place.service.refresh_session(session), queue_token="") == replace(
            session, queue_token=""
        )
