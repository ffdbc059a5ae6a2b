"""`runnerhub demo`: real work, seen live, then counted. It ends by itself.

A node of its own in a folder of its own; jobs come in by the API like anybody's. A Docker Engine
is used where one answers; otherwise simulated hosts are, and it is said so.
"""

import json
import socket
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import trio
from rich.console import Console
from rich.live import Live
from rich.table import Table

from runnerhub.adapters.data_folder import DataFolder
from runnerhub.config import HostSettings, Settings
from runnerhub.model.sandbox import LABEL_CLUSTER
from runnerhub.runtime import Bridge, run_guest
from runnerhub.service.demo_hosts import DemoHosts, find_hosts
from runnerhub.service.run import wind_down
from runnerhub.service.wiring import Node, build_node

JOBS = 12
LIMIT_SECONDS = 55.0
PHASES = {
    "queue": ("accepted", "claimed"),
    "image": ("placed", "image_ready"),
    "create": ("image_ready", "created"),
    "start": ("created", "started"),
    "run": ("started", "exited"),
    "reap": ("exited", "reaped"),
    "whole": ("accepted", "reaped"),
}


def demo(*, jobs: int = JOBS, as_json: bool = False) -> int:
    """Run the demo; return 0 only when every job ended as it should and nothing is left."""
    with (
        tempfile.TemporaryDirectory(prefix="rh-demo-", ignore_cleanup_errors=True) as name,
        DataFolder.open(Path(name) / "data") as folder,
    ):
        summary = run_guest(_demo, folder, jobs, as_json)
    console = Console(stderr=as_json)
    _print(console, summary)
    if as_json:
        sys.stdout.write(json.dumps({k: v for k, v in summary.items() if k != "ok"}) + "\n")
    return 0 if summary["ok"] else 1


async def _demo(bridge: Bridge, folder: DataFolder, count: int, as_json: bool) -> dict[str, Any]:  # noqa: FBT001
    console = Console(stderr=as_json)
    hosts = await find_hosts(bridge, console)
    try:
        return await _on(hosts, bridge, folder, count, console)
    finally:
        await hosts.close()


async def _on(
    hosts: DemoHosts, bridge: Bridge, folder: DataFolder, count: int, console: Console
) -> dict[str, Any]:
    settings = Settings(
        bind=f"127.0.0.1:{_free_port()}",
        data_dir=folder.path,
        docker_hosts=[HostSettings(name=n, url=u, slots=4) for n, u in hosts.urls.items()],
        image_pull="if-missing",
        on_stop="reap",
    )
    node = build_node(bridge, settings, folder.path, folder.node_id, hosts.engines)
    async with trio.open_nursery() as nursery:
        console.print("starting PostgreSQL, Valkey and the supervisor tree …")
        await nursery.start(node.root.run)
        volumes = await _all_volumes(node)
        token = (folder.path / "admin.token").read_text().strip()
        async with httpx.AsyncClient(
            base_url=f"http://{settings.bind}", headers={"authorization": f"Bearer {token}"}
        ) as client:
            jobs = await _run_jobs(client, hosts.image, count, console)
        leaked = await _count_leaks(node, volumes)
        await wind_down(node.world, node.root, 0.0, reap=True)
        node.root.stop()
    return _summarise(jobs, leaked, hosts)


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
    client: httpx.AsyncClient, image: str, count: int, console: Console
) -> list[dict[str, Any]]:
    bodies = _bodies(image, count)
    ids: dict[str, str] = {}
    for body in bodies:
        answer = await client.post("/api/jobs/delegate", json=body)
        answer.raise_for_status()
        ids[answer.json()["id"]] = body["job_name"]
    jobs: list[dict[str, Any]] = []
    give_up_at = time.monotonic() + LIMIT_SECONDS
    cancelled: set[str] = set()
    with Live(console=console, refresh_per_second=8, transient=False) as live:
        while time.monotonic() < give_up_at:
            jobs = [(await client.get(f"/api/jobs/{job}/status")).json() for job in ids]
            for job in jobs:
                # What would run for ever is cancelled by its user, as soon as it runs.
                wanted = ids[job["id"]] == "deploy" and job["phase"] == "running"
                if wanted and job["id"] not in cancelled:
                    cancelled.add(job["id"])
                    await client.post(f"/api/jobs/{job['id']}/cancel")
            live.update(_table(jobs, ids))
            if all(job["phase"] == "finished" for job in jobs):
                break
            await trio.sleep(0.25)
    return jobs


def _table(jobs: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> Table:
    table = Table("job", "name", "phase", "host", "conclusion", "explanation", box=None)
    for job in jobs:
        table.add_row(
            job["id"][-8:],
            names[job["id"]],
            job["phase"],
            job["host"] or "",
            job["conclusion"] or "",
            (job["explanation"] or "")[:60],
        )
    return table


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
    jobs: Sequence[Mapping[str, Any]], leaked: Mapping[str, int], hosts: DemoHosts
) -> dict[str, Any]:
    conclusions = Counter(job["conclusion"] or "none" for job in jobs)
    expected = Counter(
        ["success", "success", "failure", "cancelled"][n % 4] for n in range(len(jobs))
    )
    return {
        "jobs": len(jobs),
        "conclusions": dict(conclusions),
        "phases": {name: figures for name in PHASES if (figures := _figures(jobs, name))},
        "hosts": hosts.kind,
        "leaked": dict(leaked),
        "ok": conclusions == expected
        and all(job["phase"] == "finished" for job in jobs)
        and not any(leaked.values()),
    }


def _figures(jobs: Sequence[Mapping[str, Any]], phase: str) -> dict[str, float] | None:
    begin, end = PHASES[phase]
    spent = sorted(
        (_seconds(stamps[end]) - _seconds(stamps[begin])) * 1000
        for job in jobs
        if (stamps := job["timestamps"]).get(begin) and stamps.get(end)
    )
    if not spent:
        return None
    p99 = spent[min(len(spent) - 1, int(len(spent) * 0.99))]
    return {"p50_ms": round(statistics.median(spent), 1), "p99_ms": round(p99, 1)}


def _seconds(stamp: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(stamp).timestamp()


def _print(console: Console, summary: Mapping[str, Any]) -> None:
    table = Table("phase", "p50 ms", "p99 ms", box=None)
    for name, figures in summary["phases"].items():
        table.add_row(name, f"{figures['p50_ms']:.0f}", f"{figures['p99_ms']:.0f}")
    console.print(table)
    words = ", ".join(f"{count} {name}" for name, count in summary["conclusions"].items())
    console.print(f"{summary['jobs']} jobs on {summary['hosts']} hosts: {words}")
    left = ", ".join(f"{count} {name}" for name, count in summary["leaked"].items())
    console.print(f"left behind on the hosts: {left}")
    console.print("all is well" if summary["ok"] else "[bold red]NOT as it should be[/]")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
