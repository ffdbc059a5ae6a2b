"""A job on a real engine against the bare engine in the same run: alone, and eight at once.

    bare       the engine by its API: create and start without a network, and with a fresh one each
    docker_run `docker run --rm` in a network that is there already: the client's own time counts
    cold       RunnerHub, nothing prepared
    holders    RunnerHub, private networks prepared ahead
    warm       RunnerHub, sandboxes prepared ahead

All share one engine and take turns. After each job that which is prepared is awaited, so that
preparing does not fall into the next one's time; eight at once run on without a pause, so there
preparing counts.
"""

import argparse
import asyncio
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from bench.load import run_client
from bench.measure import percentile
from bench.result import Better, Figure
from bench.whole.client import Client, Door
from bench.whole.engine import RESOURCES, Bare, a_real_engine, at_once, docker_run, no_engine
from bench.whole.jobs import between, body, expect_success, seconds_at
from bench.whole.node import WholeNode, a_whole_node
from tests.parts.dockerd import Dockerd

AT_ONCE = 8
PATIENCE = 120.0
# What goes on, as most jobs do, and what ends at once: the end of a log hurries its last piece.
LASTING, SHORT = "echo go; sleep 0.6", "echo go"
PREPARED = {"cold": 0, "holders": AT_ONCE, "warm": AT_ONCE}

Times = dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Stage:
    """All that takes part."""

    engine: Dockerd
    image: str
    nodes: dict[str, WholeNode]
    prepared: int

    def settle(self) -> None:
        """Wait until all is prepared, and nothing else is there."""
        give_up_at = time.monotonic() + PATIENCE
        while len(self.engine.container_ids()) != self.prepared:
            if time.monotonic() > give_up_at:
                raise RuntimeError(f"{len(self.engine.container_ids())} of {self.prepared} there")
            time.sleep(0.05)
        time.sleep(0.1)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add how often."""
    parser.add_argument("--rounds", type=int, default=15, help="of each, alone")
    parser.add_argument("--waves", type=int, default=3, help="of each, eight at once")
    parser.add_argument("--each", type=int, default=4, help="jobs for each of the eight, in a wave")
    parser.add_argument("--kinds", nargs="+", choices=PREPARED, default=list(PREPARED))


def run(options: argparse.Namespace) -> list[Figure]:
    """Measure, by turns. Raises RuntimeError where no real engine can be started."""
    if reason := no_engine():
        raise RuntimeError(reason)
    alone: dict[str, Times] = defaultdict(lambda: defaultdict(list))
    together: dict[str, Times] = defaultdict(lambda: defaultdict(list))
    with ExitStack() as stack:
        engine = stack.enter_context(a_real_engine())
        image = engine.import_busybox()
        nodes = {
            kind: stack.enter_context(a_whole_node(*_node(kind, number, engine, image)))
            for number, kind in enumerate(options.kinds)
        }
        stage = Stage(engine, image, nodes, sum(PREPARED[kind] for kind in options.kinds))
        stage.settle()
        for number in range(options.rounds + 1):  # the first of each is not counted
            keep = alone if number else defaultdict(lambda: defaultdict(list))
            _bare_alone(stage, keep)
            for kind in nodes:
                _job_alone(stage, kind, number, keep[kind])
        for number in range(options.waves):
            _bare_together(stage, options.each, together["bare"])
            for kind in nodes:
                _jobs_together(stage, kind, number, options.each, together[kind])
    return [
        *_figures("alone", alone),
        *_figures("eight", together),
        *_ratios(alone, together, options.kinds),
    ]


def _node(kind: str, number: int, engine: Dockerd, image: str) -> tuple[list[str], str]:
    more = f",holders={AT_ONCE}" if kind == "holders" else ""
    config = f'subnet_range = "10.{231 + number}.0.0/16"\n'
    if kind == "warm":
        config += f'[[pools]]\nname = "warm"\nimage = "{image}"\nwarm = {AT_ONCE}\n'
    return ["--docker-host", f"real={engine.url},slots={AT_ONCE}{more}"], config


def _bare_alone(stage: Stage, keep: dict[str, Times]) -> None:
    with stage.engine.client() as client:
        bare = Bare(client, stage.image, 200)
        began = time.perf_counter()
        name = bare.start("none", ["true"])
        keep["bare"]["no_network.started"].append(time.perf_counter() - began)
        bare.wait(name)
        bare.remove(name)
        began = time.perf_counter()
        network = bare.network()
        name = bare.start(network, ["true"])
        keep["bare"]["fresh_network.started"].append(time.perf_counter() - began)
        bare.wait(name)
        bare.remove(name)
        for kind, script in (("lasting", LASTING), ("short", SHORT)):
            first, whole = docker_run(stage.engine.url, stage.image, network, script)
            keep["docker_run"][f"{kind}.first_output"].append(first)
            keep["docker_run"][f"{kind}.whole"].append(whole)
        bare.remove_network(network)


def _job_alone(stage: Stage, kind: str, number: int, keep: Times) -> None:
    for what, script in (("lasting", LASTING), ("short", SHORT)):
        job = _job(stage, f"alone-{what}-{number}", script)
        seen = _follow(stage.nodes[kind], job)
        view = _finished(stage.nodes[kind], seen[0])
        stage.settle()
        expect_success([view])
        accepted = seconds_at(view, "accepted")
        keep[f"{what}.started"].append(seconds_at(view, "started") - accepted)
        keep[f"{what}.first_output"].append(seen[1] - accepted)
        keep[f"{what}.whole"].append(seconds_at(view, "reaped") - accepted)


def _finished(node: WholeNode, job_id: str) -> dict[str, Any]:
    def view() -> dict[str, Any] | None:
        found = node.client.get(f"/api/jobs/{job_id}").raise_for_status().json()
        return found if found["phase"] == "finished" else None

    return node.until(view, PATIENCE, f"{job_id} is finished", every=0.02)


def _follow(node: WholeNode, job: dict[str, object]) -> tuple[str, float]:
    async def work() -> tuple[str, float]:
        client = Client(Door(node.host, node.port, node.token))
        answer = await client.send("POST", "/api/jobs/delegate", job)
        job_id = answer.json()["id"]
        first = await client.follow(job_id)
        await client.close()
        if first is None:
            raise RuntimeError(f"{job_id} said nothing")
        return job_id, first

    return run_client(work())


def _bare_together(stage: Stage, each: int, keep: Times) -> None:
    def work(number: int) -> None:
        with stage.engine.client() as client:
            bare = Bare(client, stage.image, 100 + number)
            for _ in range(each):
                bare.life(["sh", "-c", SHORT])

    keep["rate"].append(AT_ONCE * each / at_once(work, AT_ONCE))
    stage.settle()


def _jobs_together(stage: Stage, kind: str, number: int, each: int, keep: Times) -> None:
    node = stage.nodes[kind]
    jobs = [_job(stage, f"wave-{number}-{one}", SHORT) for one in range(AT_ONCE * each)]

    async def work() -> list[str]:
        client = Client(Door(node.host, node.port, node.token))
        sent = await asyncio.gather(
            *(client.send("POST", "/api/jobs/delegate", job) for job in jobs)
        )
        await client.close()
        return [str(answer.json()["id"]) for answer in sent]

    views = [_finished(node, one) for one in run_client(work())]
    stage.settle()
    expect_success(views)
    accepted = min(seconds_at(view, "accepted") for view in views)
    reaped = max(seconds_at(view, "reaped") for view in views)
    keep["rate"].append(len(views) / (reaped - accepted))
    keep["claimed_to_started"] += [ms / 1000 for ms in between(views, "claimed", "started")]


def _job(stage: Stage, number: str, script: str) -> dict[str, object]:
    return body(number, ["sh", "-c", script], image=stage.image, resources=RESOURCES)


def _figures(prefix: str, found: dict[str, Times]) -> Iterator[Figure]:
    for who, times in found.items():
        for what, values in times.items():
            name = f"{prefix}.{who}.{what}"
            if what == "rate":
                yield Figure(name, percentile(values, 50), "/s", Better.HIGHER)
                continue
            for percent in (50, 95):
                value = percentile(values, percent) * 1000
                yield Figure(f"{name}.p{percent}", value, "ms", Better.LOWER)


def _ratios(
    alone: dict[str, Times], together: dict[str, Times], kinds: list[str]
) -> Iterator[Figure]:
    bare = percentile(alone["bare"]["no_network.started"], 50)
    run_rm = percentile(alone["docker_run"]["lasting.first_output"], 50)
    rate = percentile(together["bare"]["rate"], 50)
    for kind in kinds:
        # A cold job with a network of its own cannot be as fast as one without: the goal is for
        # networks prepared ahead.
        ahead = kind != "cold"
        started = percentile(alone[kind]["lasting.started"], 50)
        yield Figure(
            f"{kind}.started.of_bare_without_network",
            started / bare,
            "ratio",
            Better.LOWER,
            1.0 if ahead else None,
        )
        reached = percentile(together[kind]["rate"], 50)
        yield Figure(
            f"{kind}.rate.of_bare_fresh_network", reached / rate, "ratio", Better.HIGHER, 0.9
        )
        for what in ("lasting", "short"):
            first = percentile(alone[kind][f"{what}.first_output"], 50)
            goal = 0.15 if kind == "warm" else None
            name = f"{kind}.{what}.first_output.of_docker_run"
            yield Figure(name, first / run_rm, "ratio", Better.LOWER, goal)
            if kind == "warm":
                name = f"warm.{what}.first_output"
                yield Figure(name, first * 1000, "ms", Better.LOWER, 60.0)
