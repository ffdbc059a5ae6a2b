"""Where the demo runs: a Docker Engine that answers, with an image, or simulated hosts."""

import io
import os
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from runnerhub.adapters.docker import DockerEngine
from runnerhub.errors import RunnerHubError
from runnerhub.ports.engine import Engine
from runnerhub.ports.errors import PortError
from runnerhub.runtime import Bridge
from runnerhub.sim.engine import SimEngine

IMAGE = "busybox:latest"
OWN_IMAGE = "runnerhub-demo:latest"
APPLETS = ("sh", "echo", "sleep", "cat", "true", "false", "ls", "seq")


@dataclass(slots=True)
class DemoHosts:
    """The hosts of a demo.

    Attributes:
        kind: real or simulated.
        engines: stand-ins by host name; empty for real ones.
    """

    kind: str
    urls: Mapping[str, str]
    image: str
    engines: Mapping[str, Engine] = field(default_factory=dict)
    imported: DockerEngine | None = None

    async def close(self) -> None:
        """Let go of the engine."""
        if self.imported is not None:
            await self.imported.close()


async def find_hosts(bridge: Bridge, console: Console) -> DemoHosts:
    """Return a real engine where one answers and has, or can be given, an image."""
    url = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    engine = DockerEngine(bridge, url, None)
    await engine.open()
    try:
        info = await engine.info()
        image = await _find_image(engine)
    except (PortError, RunnerHubError) as error:
        await engine.close()
        console.print(f"no Docker Engine to use ({error}); [bold]simulated hosts[/] instead")
        return _simulated()
    console.print(f"Docker Engine {info.version} at {url}, image {image}")
    return DemoHosts("real", {"local": url}, image, imported=engine)


def _simulated() -> DemoHosts:
    names = ("sim-1", "sim-2")
    return DemoHosts(
        "simulated",
        {name: f"sim://{name}" for name in names},
        IMAGE,
        {name: SimEngine(name, images=(IMAGE,)) for name in names},
    )


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
