"""Registering a just-in-time runner, when answers are lost and names are taken."""

import random

import pytest
from trio.testing import MockClock

from runnerhub.actors.github.jit import JitWish, create_jit_runner
from runnerhub.ports.github import (
    Authorization,
    GitHubRefused,
    GitHubUnavailable,
    Request,
    Response,
)
from runnerhub.sim.counters import MemoryCounters
from tests.simulation.github.fake import FakeGitHub
from tests.simulation.github.nodes import Node, running

WISH = JitWish("/repos/a/b", ["linux"])


class Runners(FakeGitHub):
    """Keep runners, and refuse a name that is taken."""

    def __init__(self) -> None:
        super().__init__()
        self.runners: dict[str, int] = {"foreign": 1}
        self.busy: set[int] = set()
        self.next_id = 100
        self.trouble: list[str] = []

    async def send(
        self, request: Request, authorization: Authorization, etag: str | None = None
    ) -> Response:
        trouble = self.trouble.pop(0) if self.trouble else ""
        if trouble == "unreachable":
            raise GitHubUnavailable("no connection", sent=False)
        answer = self.carry_out(request)
        if trouble == "lost":
            raise GitHubUnavailable("the answer was lost")
        self.script[request.method, request.path] = answer
        return await super().send(request, authorization, etag)

    def carry_out(self, request: Request) -> Response:
        if request.method == "POST":
            name = request.body["name"]
            if name in self.runners:
                return Response(409, {}, {"message": "Already exists"})
            self.next_id += 1
            self.runners[name] = self.next_id
            runner = {"id": self.next_id, "name": name}
            return Response(201, {}, {"runner": runner, "encoded_jit_config": "blob"})
        if request.method == "GET":
            listed = [{"id": i, "name": n} for n, i in self.runners.items()]
            return Response(200, {}, {"total_count": len(listed), "runners": listed})
        runner_id = int(request.path.rsplit("/", 1)[1])
        if runner_id in self.busy:
            return Response(422, {}, {"message": "busy"})
        self.runners = {n: i for n, i in self.runners.items() if i != runner_id}
        return Response(204)


@pytest.mark.parametrize(
    "trouble",
    [[], ["unreachable"], ["lost"], ["lost", "lost"], ["lost", "", "lost"], ["", "lost"]],
)
async def test_one_runner_comes_of_it(trouble: list[str], autojump_clock: MockClock) -> None:
    github = Runners()
    github.trouble = list(trouble)
    async with running(Node(github, MemoryCounters())) as (gateway,):
        runner = await create_jit_runner(gateway, WISH, "rh-1", lambda: "rh-2")
    assert (runner.name, runner.config) == ("rh-1", "blob")
    assert github.runners == {"foreign": 1, "rh-1": runner.runner_id}
    assert "blob" not in repr(runner)


async def test_a_foreign_runner_is_left_alone(autojump_clock: MockClock) -> None:
    github = Runners()
    async with running(Node(github, MemoryCounters())) as (gateway,):
        runner = await create_jit_runner(gateway, WISH, "foreign", lambda: "rh-2")
    assert github.runners == {"foreign": 1, "rh-2": runner.runner_id}


async def test_one_that_took_a_job_meanwhile_keeps_its_name(autojump_clock: MockClock) -> None:
    github = Runners()
    github.trouble = ["lost"]
    github.busy = {101}
    async with running(Node(github, MemoryCounters())) as (gateway,):
        runner = await create_jit_runner(gateway, WISH, "rh-1", lambda: "rh-2")
    assert runner.name == "rh-2"


async def test_what_stays_wrong_is_raised(autojump_clock: MockClock) -> None:
    github = Runners()
    github.trouble = ["lost"] * 20
    async with running(Node(github, MemoryCounters())) as (gateway,):
        with pytest.raises(GitHubUnavailable):
            await create_jit_runner(gateway, WISH, "rh-1", lambda: "rh-2")
        github.trouble = []
        with pytest.raises(GitHubRefused):
            await create_jit_runner(gateway, WISH, "foreign", lambda: "foreign")
    assert "foreign" in github.runners


@pytest.mark.parametrize("seed", range(30))
async def test_whatever_is_lost_no_second_runner_is_left(
    seed: int, autojump_clock: MockClock
) -> None:
    rng = random.Random(seed)  # noqa: S311 - faults, no secret
    github = Runners()
    github.trouble = [rng.choice(["", "", "lost", "unreachable"]) for _ in range(12)]
    names = iter(f"rh-{n}" for n in range(2, 20))
    async with running(Node(github, MemoryCounters())) as (gateway,):
        try:
            runner = await create_jit_runner(gateway, WISH, "rh-1", lambda: next(names))
        except GitHubUnavailable:
            assert set(github.runners) <= {"foreign", "rh-1"}
        else:
            assert github.runners == {"foreign": 1, runner.name: runner.runner_id}
