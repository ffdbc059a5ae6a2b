"""`runnerhub doctor`: look at all that a node needs, and change nothing."""

import os
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import trio

from runnerhub.adapters.data_folder import DataFolder, DataFolderBusy
from runnerhub.adapters.embedded.binaries import find_postgres, find_valkey
from runnerhub.adapters.postgres.probe import probe
from runnerhub.adapters.redis.connection import RedisConnection
from runnerhub.config import HostSettings, Settings
from runnerhub.errors import RunnerHubError
from runnerhub.model.check import Check
from runnerhub.ports.engine import Engine
from runnerhub.runtime import Bridge, run_guest, shielded
from runnerhub.service.doctor_github import check_github
from runnerhub.service.engines import CLOSE_SECONDS, docker_engine
from runnerhub.service.guarding import MISSING, UNSEEN, guard_stands

HOST_SECONDS = 20.0


def doctor(settings: Settings) -> Sequence[Check]:
    """Look at everything; the first check, of the configuration, is the caller's."""
    return run_guest(partial(_doctor, settings=settings))


async def _doctor(bridge: Bridge, *, settings: Settings) -> list[Check]:
    found = [_data_folder(settings.data_dir)]
    found.append(await _postgres(bridge, settings.database_url))
    found.append(await _redis(bridge, settings.redis_url))
    if not settings.docker_hosts:
        words = "no Docker host is configured, so jobs will wait: --docker-host NAME=URL"
        found.append(Check("docker", ok=False, detail=words))
    for host in settings.docker_hosts:
        found += await _host(bridge, settings, host)
    found += [check async for check in check_github(settings)]
    return found


def _data_folder(path: Path) -> Check:
    name = "data folder"
    if not path.exists():
        above = next(each for each in path.resolve().parents if each.exists())
        able = os.access(above, os.W_OK | os.X_OK)
        words = "will be made" if able else f"cannot be made: {above} is not writable"
        return Check(name, ok=able, detail=f"{path} {words}")
    try:
        if (path / "node-id").exists():
            DataFolder.open(path).close()
        elif not path.is_dir() or not os.access(path, os.W_OK | os.X_OK):
            return Check(name, ok=False, detail=f"{path} is no folder that can be written")
    except DataFolderBusy as error:
        holder = error.holder_pid
        return Check(name, ok=True, detail=f"{path}, in use by the node with process id {holder}")
    except RunnerHubError as error:
        return Check(name, ok=False, detail=str(error))
    return Check(name, ok=True, detail=f"{path} can be used")


async def _postgres(bridge: Bridge, url: str | None) -> Check:
    if url is None:
        return _embedded("postgresql", find_postgres)
    try:
        return Check("postgresql", ok=True, detail=await probe(bridge, url))
    except RunnerHubError as error:
        return Check("postgresql", ok=False, detail=str(error))


async def _redis(bridge: Bridge, url: str | None) -> Check:
    if url is None:
        return _embedded("redis", find_valkey)
    try:
        connection = RedisConnection(bridge, url, connections=1)
    except ValueError as error:
        return Check("redis", ok=False, detail=f"redis_url: {error}")
    try:

        async def info() -> dict[str, Any]:
            found: dict[str, Any] = await connection.redis.info("server")
            return found

        version = (await connection.call(info)).get("redis_version")
    except RunnerHubError as error:
        return Check("redis", ok=False, detail=str(error))
    finally:
        await connection.close()
    return Check("redis", ok=True, detail=f"Redis {version}")


def _embedded(name: str, find: Callable[[], Path]) -> Check:
    try:
        where = find()
    except RunnerHubError as error:
        return Check(name, ok=False, detail=str(error))
    return Check(name, ok=True, detail=f"embedded, from {where}")


async def _host(bridge: Bridge, settings: Settings, host: HostSettings) -> list[Check]:
    name = f"docker:{host.name}"
    try:
        engine = docker_engine(bridge, host)
        await engine.open()
        try:
            with trio.fail_after(HOST_SECONDS):
                info = await engine.info()
                told = [f"Docker Engine {info.version}, {info.cpus:g} cpus, {info.memory_mb} MB"]
                told += [info.no_disk_limit] if info.no_disk_limit else []
                told += await _guard(host)
                found = [Check(name, ok=True, detail="; ".join(told))]
                return [*found, *[c async for c in _images(engine, settings, host)]]
        finally:
            with shielded(CLOSE_SECONDS):
                await engine.close()
    except trio.TooSlowError:
        words = f"{host.url} does not answer within {HOST_SECONDS:g} s"
    except (RunnerHubError, OSError, ValueError) as error:
        words = f"{host.url}: {error}"
    return [Check(name, ok=False, detail=words)]


async def _guard(host: HostSettings) -> list[str]:
    if not host.url.startswith("unix://"):
        return [UNSEEN]
    stands = await trio.to_thread.run_sync(guard_stands)
    return ["the egress guard stands"] if stands else [MISSING]


async def _images(engine: Engine, settings: Settings, host: HostSettings) -> AsyncIterator[Check]:
    images = sorted({pool.image for pool in settings.pools if pool.image is not None})
    if not images:
        return
    missing = [image for image in images if not await engine.has_image(image)]
    words = f"all {len(images)} are there"
    if missing:
        pulled = " (they are pulled when needed)" if settings.image_pull != "never" else ""
        words = f"missing: {', '.join(missing)}{pulled}; `docker pull` brings them"
    yield Check(f"images:{host.name}", ok=not missing, detail=words)
