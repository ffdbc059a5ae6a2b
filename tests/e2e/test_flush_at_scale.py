"""Redis forgets everything while jobs wait, and once more while they run: each of them runs, once.

Their number is RUNNERHUB_SCALE; `make scale` sets it to a thousand, which takes minutes.
"""

import os
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.node import NodeProcess
from tests.parts.dockerd import Dockerd
from tests.parts.redis import RedisServer

JOBS = int(os.environ.get("RUNNERHUB_SCALE", "40"))
MANY = 100
SECONDS = 90.0 + JOBS / 3  # the keeper looks every 30 s; engines do a few a second
FINISHED = re.compile(r"^runnerhub_jobs_finished_total\{.*\} (\d+)", re.MULTILINE)

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(120 + SECONDS)]


@pytest.fixture
def engines(new_dockerd: Callable[..., Dockerd]) -> list[Dockerd]:
    return [new_dockerd(), new_dockerd()]


@pytest.fixture
def node(
    engines: list[Dockerd], tmp_path: Path, fresh_database: str, redis_url: str
) -> Iterator[NodeProcess]:
    hosts = [f"h{n}={engine.url},slots=8" for n, engine in enumerate(engines)]
    env = {"DATABASE_URL": fresh_database, "REDIS_URL": redis_url}
    made = NodeProcess(tmp_path / "data", hosts, env=env)
    made.start()
    yield made
    made.close()


def operate(node: NodeProcess, verb: str) -> None:
    for host in ("h0", "h1"):
        assert node.client.post(f"/api/hosts/{host}/{verb}").status_code == 200


def finished(node: NodeProcess) -> int:
    time.sleep(0.25)  # looking must not cost what is measured
    return sum(map(int, FINISHED.findall(node.client.get("/api/metrics").text)))


def test_redis_flushed_while_jobs_wait(
    engines: list[Dockerd],
    node: NodeProcess,
    redis_server: RedisServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    operate(node, "drain")
    began = time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        submitted = pool.map(
            lambda n: node.submit(n, f"echo {n}", execution={"network": "none"}), range(JOBS)
        )
        jobs = list(submitted)
    accepted = time.monotonic() - began
    assert len(set(jobs)) == JOBS

    redis_server.flush()
    operate(node, "undrain")
    began = time.monotonic()
    node.until(lambda: finished(node) >= JOBS // 10, SECONDS, "a tenth has run")
    first = time.monotonic() - began
    if JOBS > MANY:
        redis_server.flush()  # again, while some run: each flush costs up to half a minute
    node.until(lambda: finished(node) >= JOBS, SECONDS - first, f"all {JOBS} have run")
    ran = time.monotonic() - began
    with capsys.disabled():
        print(  # noqa: T201 - the figures that `make scale` is run for
            f"\n{JOBS} jobs accepted in {accepted:.1f} s; flushed, a tenth had run after"
            f" {first:.1f} s; all had run after {ran:.1f} s"
            f" ({JOBS / ran:.1f} jobs/s on two engines, the waits included)"
        )

    ended = [node.status(job) for job in jobs]
    said = {(job["phase"], job["conclusion"], job["attempt"]) for job in ended}
    assert said == {("finished", "success", 1)}
    assert {job["host"] for job in ended} == {"h0", "h1"}
    assert [node.logs(job) for job in jobs] == [f"{n}\n" for n in range(JOBS)]
    assert finished(node) == JOBS
    for engine in engines:
        assert not engine.leftovers()
