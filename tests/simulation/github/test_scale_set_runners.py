"""Runners that register through a scale set, although answers are lost and names are taken."""

from collections.abc import Awaitable, Callable
from typing import cast

import pytest

from runnerhub.actors.github.scale_set_desk import ScaleSetDesk
from runnerhub.actors.github.scale_set_runners import ScaleSetRunners
from runnerhub.model.runner import RunnerWish
from runnerhub.ports.runners import Registration, RunnerRefused, RunnersUnavailable
from runnerhub.ports.scale_sets import ScaleSetRefused, ScaleSets, ScaleSetsUnavailable
from runnerhub.sim.scale_sets import MemoryScaleSets
from tests.simulation.cluster import Cluster, now

WISH = RunnerWish("/orgs/acme", ("big",), 1, "p", 7)


class Service:
    """Keeps runners, and does what it is told to do wrong."""

    def __init__(self) -> None:
        self.runners: dict[str, int] = {}
        self.busy: set[str] = set()
        self.trouble: list[str] = []
        self.made = 0

    async def register(self, scope: str, scale_set: int, name: str) -> Registration:
        assert (scope, scale_set) == ("/orgs/acme", 7)
        trouble = self.trouble.pop(0) if self.trouble else ""
        if trouble == "error":
            raise ScaleSetsUnavailable("502")
        if trouble == "forbidden":
            raise ScaleSetRefused(403, "AccessDeniedException", "not for you")
        if name in self.runners:
            raise ScaleSetRefused(409, "AgentExistsException", name)
        self.made += 1
        self.runners[name] = self.made
        if trouble == "lost":
            raise ScaleSetsUnavailable("the answer was lost")
        return Registration(self.made, f"blob-{self.made}")

    async def deregister(self, scope: str, name: str) -> bool:
        assert scope == "/orgs/acme"
        if name in self.busy:
            return False
        self.runners.pop(name, None)
        return True


async def setting() -> tuple[ScaleSetRunners, Service, MemoryScaleSets]:
    desk = ScaleSetDesk(await Cluster().new_world(), [])
    service, ledger = Service(), MemoryScaleSets(now)
    desk.service, desk.ledger = cast("ScaleSets", service), ledger
    return ScaleSetRunners(desk), service, ledger


async def test_the_name_is_noted_before_and_forgotten_after(autojump_clock: object) -> None:
    runners, service, ledger = await setting()
    assert (await runners.register(WISH, "r1")).config == "blob-1"
    assert ledger.runners == {"r1": RunnerWish("/orgs/acme", scale_set=7)}
    assert await runners.deregister(WISH, "r1")
    assert (service.runners, ledger.runners) == ({}, {})


@pytest.mark.parametrize("trouble", [["lost"], ["error", "lost"], ["error", "error", "error"]])
async def test_what_a_lost_answer_left_is_replaced(
    autojump_clock: object, trouble: list[str]
) -> None:
    runners, service, _ = await setting()
    service.trouble = trouble
    made = await runners.register(WISH, "r1")
    assert service.runners == {"r1": made.runner_id}


async def test_a_busy_one_of_an_earlier_try_stays(autojump_clock: object) -> None:
    runners, service, ledger = await setting()
    await runners.register(WISH, "r1")
    service.busy.add("r1")
    with pytest.raises(RunnersUnavailable):
        await runners.register(WISH, "r1")
    assert not await runners.deregister(WISH, "r1")
    assert "r1" in ledger.runners


Act = Callable[[ScaleSetRunners], Awaitable[object]]
ACTS: list[Act] = [lambda r: r.register(WISH, "r1"), lambda r: r.deregister(WISH, "r1")]


@pytest.mark.parametrize("act", ACTS)
async def test_without_the_ledger_nothing_is_known(autojump_clock: object, act: Act) -> None:
    runners, service, ledger = await setting()
    ledger.outage = True
    with pytest.raises(RunnersUnavailable):
        await act(runners)
    assert service.made == 0


async def test_refusals_and_long_outages_are_told_apart(autojump_clock: object) -> None:
    runners, service, _ = await setting()
    service.trouble = ["forbidden"]
    with pytest.raises(RunnerRefused, match="not for you"):
        await runners.register(WISH, "r1")
    service.trouble = ["error"] * 4
    with pytest.raises(RunnersUnavailable):
        await runners.register(WISH, "r1")
    with pytest.raises(RunnerRefused):
        await runners.register(RunnerWish("/orgs/acme"), "r1")
