"""Where the demo runs: a Docker Engine that answers, with an image, or simulated hosts."""

import io
import os
import shutil
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trio
from rich.console import Console

from runnerhub.adapters.docker import DockerEngine
from runnerhub.config import HostSettings
from runnerhub.errors import RunnerHubError
from runnerhub.ports.errors import PortError
from runnerhub.runtime import Bridge, cleanup, shielded
from runnerhub.service.demo_runners import PROBE_SECONDS, RealRunners, prepare_runners
from runnerhub.service.engines import CLOSE_SECONDS
from runnerhub.sim.engine import SimEngine
from runnerhub.sim.programs import Programs

IMAGE = "busybox:latest"
OWN_IMAGE = "runnerhub-demo:latest"
APPLETS = ("sh", "echo", "sleep", "cat", "true", "false", "ls", "seq")
COMMANDS = "commands"  # the label of hosts that take the jobs which are commands
SLOTS = 6
STALL_SECONDS = 10.0  # of a pull that gets nowhere, before the demo helps itself


@dataclass(frozen=True, slots=True)
class RealEngine:
    """A Docker Engine, with images there.

    Attributes:
        image: of commands.
        runners: what runners need; None where they cannot be there.
    """

    engine: DockerEngine
    url: str
    image: str
    runners: RealRunners | None

    def host(self, *labels: str) -> HostSettings:
        """Return it as a host that takes jobs with these labels."""
        return HostSettings(name="local", url=self.url, slots=SLOTS, labels=labels)


@asynccontextmanager
async def real_engine(bridge: Bridge, console: Console) -> AsyncIterator[RealEngine | None]:
    """Yield a real engine where one answers and has, or can be given, an image."""
    url = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    engine = DockerEngine(bridge, url, stall_seconds=STALL_SECONDS)
    await engine.open()
    found = None
    try:
        try:
            info = await engine.info()
            console.print(f"Docker Engine {info.version} at {url}; bringing images …")
            found = RealEngine(engine, url, *await _prepare(engine, console))
        except (PortError, RunnerHubError) as error:
            console.print(f"no Docker Engine to use ({error}); [bold]simulated hosts[/] instead")
        yield found
    finally:
        with cleanup(trio.current_time() + PROBE_SECONDS):
            if found is not None and found.runners is not None:
                await engine.remove_network(found.runners.network)
        with shielded(CLOSE_SECONDS):
            await engine.close()


async def _prepare(engine: DockerEngine, console: Console) -> tuple[str, RealRunners | None]:
    # A pull that gets nowhere takes its time. What the other wants is local.
    images: list[str] = []
    runners: list[RealRunners | None] = []
    wrong: list[RunnerHubError] = []

    async def find_image() -> None:
        try:
            images.append(await _find_image(engine))
        except RunnerHubError as error:
            wrong.append(error)

    async def find_runners() -> None:
        runners.append(await prepare_runners(engine, console))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(find_image)
        nursery.start_soon(find_runners)
    if wrong:
        raise wrong[0]
    return images[0], runners[0]


def simulated_host(name: str, *labels: str) -> HostSettings:
    """Return a simulated host that takes jobs with these labels."""
    return HostSettings(name=name, url=f"sim://{name}", slots=SLOTS, labels=labels)


def simulated_engine(name: str, programs: Programs, *images: str) -> SimEngine:
    """Return the engine of a simulated host."""
    return SimEngine(name, images=images, programs=programs)


async def _find_image(engine: DockerEngine) -> str:
    for image in (IMAGE, OWN_IMAGE):
        if await engine.has_image(image):
            return image
    try:
        await engine.pull_image(IMAGE)
    except PortError as error:
        busybox = shutil.which("busybox")
        if busybox is None:
            raise RunnerHubError(f"no image, and no busybox to make one of: {error}") from error
        await engine.import_image(OWN_IMAGE, _root_file_system(Path(busybox)))
        return OWN_IMAGE
    return IMAGE


def _root_file_system(busybox: Path) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for folder in ("bin", "tmp", "etc"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            archive.addfile(entry)
        archive.add(busybox.resolve(), "bin/busybox")
        for applet in APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
    return packed.getvalue()
