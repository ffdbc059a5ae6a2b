"""Measure how long a real Docker Engine takes, as the simulated one shall.

    python -m bench.measure_engine OUT.json [--rounds 60]

Starts a private engine (needs root, dockerd and a static busybox), lives the lives of sandboxes
on it, one at a time and eight at once, and writes the quantiles of each call's seconds.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import threading
import time
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from tests.parts.dockerd import Dockerd
from tests.parts.images import BUSYBOX

AT_ONCE = (1, 8)
STEPS = 20  # quantiles from 0 to 1 in steps of 1/20
ENDED, RUNNING, ALONE, JOINED = range(4)


class Life:
    """Sandboxes one after the other, each call timed."""

    def __init__(self, engine: Dockerd, number: int, seconds: dict[str, list[float]]) -> None:
        self._client = engine.client()
        self._number = number
        self._seconds = seconds

    def call(self, kind: str, method: str, path: str, **request: object) -> Any:  # noqa: ANN401
        """Send a request, and note how long the answer took."""
        began = time.perf_counter()
        answer = self._client.request(method, path, **cast("Any", request))
        took = time.perf_counter() - began
        if answer.is_error:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text}")
        if kind:
            self._seconds[kind].append(took)
        return answer.json() if answer.content and answer.text.startswith(("{", "[")) else None

    def live(self, turn: int) -> None:
        """Live one life: by turns ended or removed while it runs, without or with another's net."""
        how, name = turn % 4, f"m-{self._number}-{turn}"
        network = how in (ENDED, RUNNING, JOINED)
        if network:
            subnet = f"10.99.{self._number}.{16 * (turn % 16)}/28"
            body = {
                "Name": name,
                "Internal": True,
                "CheckDuplicate": True,
                "IPAM": {"Config": [{"Subnet": subnet}]},
                "Options": {"com.docker.network.bridge.inhibit_ipv4": "true"},
                "Labels": {"measure": "1"},
            }
            self.call("create_network", "POST", "/networks/create", json=body)
        if how == JOINED:
            self._create(f"{name}-holder", name, "sleep 60")
            self.call("start_container", "POST", f"/containers/{name}-holder/start")
        mode = {ALONE: "none", JOINED: f"container:{name}-holder"}.get(how, name)
        self._create(name, mode, "exit 0" if how == ENDED else "sleep 60")
        start = {ALONE: "start_alone", JOINED: "start_joined"}.get(how, "start_container")
        self.call(start, "POST", f"/containers/{name}/start")
        self.call("inspect_container", "GET", f"/containers/{name}/json")
        if how == ENDED:
            self.call("", "POST", f"/containers/{name}/wait")
        else:
            self._while_it_runs(name)
        self.call("logs", "GET", f"/containers/{name}/logs?stdout=1&stderr=1&timestamps=1")
        self.call("containers", "GET", "/containers/json?all=1")
        remove = "remove_container" if how == ENDED else "remove_running"
        self.call(remove, "DELETE", f"/containers/{name}?force=1&v=1")
        if how == JOINED:
            self.call("remove_running", "DELETE", f"/containers/{name}-holder?force=1&v=1")
        if network:
            self.call("networks", "GET", "/networks")
            self.call("remove_network", "DELETE", f"/networks/{name}")
        self.call("info", "GET", "/info")
        self.call("has_image", "GET", f"/images/{BUSYBOX}/json")

    def _create(self, name: str, mode: str, script: str) -> None:
        config = {"NetworkMode": mode, "Memory": 256 << 20, "CapDrop": ["ALL"], "PidsLimit": 100}
        body = {"Image": BUSYBOX, "Cmd": ["sh", "-c", script], "HostConfig": config}
        self.call(
            "create_container", "POST", "/containers/create", params={"name": name}, json=body
        )

    def _while_it_runs(self, name: str) -> None:
        limits = {"Memory": 128 << 20, "MemorySwap": 128 << 20}
        self.call("limit_container", "POST", f"/containers/{name}/update", json=limits)
        body = {"Cmd": ["true"], "AttachStdout": True}
        made = self.call("exec_create", "POST", f"/containers/{name}/exec", json=body)
        self.call("exec_start", "POST", f"/exec/{made['Id']}/start", json={"Detach": False})
        self.call("exec_inspect", "GET", f"/exec/{made['Id']}/json")


def measure(engine: Dockerd, at_once: int, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each kind of call, with so many lives at once."""
    seconds: dict[str, list[float]] = defaultdict(list)
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            life = Life(engine, number, seconds)
            for turn in range(rounds):
                life.live(turn)
        except Exception as error:  # noqa: BLE001 - it is raised below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return seconds


def quantiles(values: list[float]) -> list[float]:
    """Return the smallest, the cuts, and the largest."""
    cuts = statistics.quantiles(values, n=STEPS, method="inclusive")
    return [round(value, 6) for value in (min(values), *cuts, max(values))]


def one_line_each(result: dict[str, Any]) -> str:
    """Write JSON with a line for each method, so that two files can be compared."""
    parts = [
        f' "measured": {json.dumps(result["measured"])}',
        f' "quantiles": {json.dumps(result["quantiles"])}',
    ]
    methods = [f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in sorted(result["seconds"].items())]
    parts.append(' "seconds": {\n' + ",\n".join(methods) + "\n }")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def main() -> None:
    """Measure, and write a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--rounds", type=int, default=60, help="lives, of which eight at once share"
    )
    arguments = parser.parse_args()
    table: dict[str, dict[str, list[float]]] = defaultdict(dict)
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    load = os.getloadavg()[0]
    with Dockerd() as engine:
        engine.import_busybox()
        about = engine.get("/info")
        measure(engine, 1, 4)  # what comes first is slower: caches, modules
        for at_once in AT_ONCE:
            rounds = max(8, arguments.rounds // at_once * 2 if at_once > 1 else arguments.rounds)
            for kind, values in measure(engine, at_once, rounds).items():
                table[kind][str(at_once)] = quantiles(values)
                counts[kind][str(at_once)] = len(values)
        if engine.leftovers():
            raise RuntimeError(f"left behind: {engine.leftovers()}")
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], check=False, capture_output=True, text=True
    )
    result = {
        "measured": {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": commit.stdout.strip(),
            "engine": about["ServerVersion"],
            "storage_driver": about["Driver"],
            "kernel": platform.release(),
            "cpus": os.cpu_count(),
            "load_before": load,
            "samples": counts,
        },
        "quantiles": [step / STEPS for step in range(STEPS + 1)],
        "seconds": table,
    }
    arguments.out.write_text(one_line_each(result))
    for kind, columns in table.items():
        middle = {
            at_once: f"{values[STEPS // 2] * 1e3:.1f} ms" for at_once, values in columns.items()
        }
        print(f"{kind:18} p50 {middle}")


if __name__ == "__main__":
    main()
