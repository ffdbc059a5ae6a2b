"""What the demo's runners need of a real engine: their image, and a way to the simulated GitHub.

The simulated GitHub listens on an address that sandboxes reach and others hardly do: that of a
bridge or of one end of a virtual cable on this machine. The engine's `docker0` comes first; where
it has none, the bridge of a network made for this has an address too. Which one, if any, is found
by asking from within a container, on a network like those of jobs.
"""

import fcntl
import hashlib
import secrets
import socket
import struct
import sys
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import trio
from rich.console import Console

from runnerhub.adapters.docker import DockerEngine
from runnerhub.model.sandbox import LABEL_CLUSTER
from runnerhub.ports.engine import ContainerSpec, NetworkSpec
from runnerhub.ports.errors import PortError
from runnerhub.runtime import cleanup
from runnerhub.sim.runner import image as runner

SUBNET = "10.231.255.240/28"  # the last that a node of ours would take
LABELS = {LABEL_CLUSTER: "demo"}
PROBE_SECONDS = 10.0
_MOST_ADDRESSES = 8
_GET_ADDRESS = 0x8915  # SIOCGIFADDR
_REACHES = "import socket,sys;socket.create_connection((sys.argv[1],int(sys.argv[2])),1)"


@dataclass(frozen=True, slots=True)
class RealRunners:
    """What runners need on the engine.

    Attributes:
        address: on which their GitHub shall listen.
        network: whose bridge may bear that address; to be removed at the end.
    """

    image: str
    address: str
    network: str


async def prepare_runners(engine: DockerEngine, console: Console) -> RealRunners | None:
    """Bring the image and find the address; None, and a word on the console, without either."""
    network, found = f"rh-{secrets.token_hex(6)}", None
    try:
        image = await _bring_image(engine)
        await engine.create_network(
            NetworkSpec(network, LABELS, SUBNET, internal=False, bridge=network)
        )
        address = await _find_address(engine, image, network)
        if address is None:
            console.print("sandboxes on this engine reach no address of this machine")
        else:
            found = RealRunners(image, address, network)
    except (PortError, OSError) as error:
        console.print(f"no runners on this engine ({error})")
    finally:
        if found is None:
            with cleanup(trio.current_time() + PROBE_SECONDS):
                await engine.remove_network(network)
    return found


async def _bring_image(engine: DockerEngine) -> str:
    name = f"{runner.IMAGE.partition(':')[0]}:demo-{_digest()}"
    if not await engine.has_image(name):
        root = await trio.to_thread.run_sync(runner.runner_root)
        await engine.import_image(name, root, runner.CHANGES)
    return name


def _digest() -> str:
    """Tell images of different programs apart: the last demo's may be there."""
    program = sorted((Path(runner.__file__).parent / "program").glob("*.py"))
    act = runner.find_act()
    made_of = [Path(runner.__file__).read_bytes(), *(path.read_bytes() for path in program)]
    made_of += [sys.version.encode(), sys.executable.encode()]
    made_of += [f"{act} {act.stat().st_size}".encode() if act else b"no act"]
    return hashlib.sha256(b"\0".join(made_of)).hexdigest()[:12]


async def _find_address(engine: DockerEngine, image: str, network: str) -> str | None:
    """Return the first of our addresses that a sandbox reaches."""
    listening: list[tuple[str, int]] = []
    async with AsyncExitStack() as stack:
        for address in local_addresses()[:_MOST_ADDRESSES]:
            (listener,) = await trio.open_tcp_listeners(0, host=address)
            await stack.enter_async_context(listener)
            listening.append((address, listener.socket.getsockname()[1]))
        return await _first_reached(engine, image, network, listening) if listening else None


async def _first_reached(
    engine: DockerEngine, image: str, network: str, listening: Iterable[tuple[str, int]]
) -> str | None:
    wanted = ContainerSpec(network, image, LABELS, command=("sleep", "60"), network=network)
    try:
        with trio.move_on_after(PROBE_SECONDS):
            await engine.create_container(wanted)
            await engine.start_container(wanted.name)
            for address, port in listening:
                asks = ("python3", "-c", _REACHES, address, str(port))
                if await engine.exec_ok(wanted.name, asks):
                    return address
    finally:
        with cleanup(trio.current_time() + PROBE_SECONDS):
            await engine.remove_container(wanted.name)
    return None


def local_addresses() -> list[str]:
    """Return the IPv4 addresses of this machine's bridges and virtual cables, docker0's first.

    Those of cards, of tunnels and of what stands on a card are left out: others reach them.
    """
    named = [name for _, name in socket.if_nameindex()]
    inner = [name for name in named if _is_inner(Path("/sys/class/net", name))]
    inner.sort(key=lambda name: (name != "docker0", not _is_bridge(Path("/sys/class/net", name))))
    return [address for name in inner if (address := _address(name))]


def _is_bridge(interface: Path) -> bool:
    return (interface / "bridge").is_dir() and not _has_card(interface)


def _is_inner(interface: Path) -> bool:
    if _is_bridge(interface):
        return True
    try:
        peer = (interface / "iflink").read_text() != (interface / "ifindex").read_text()
    except OSError:
        return False
    return peer and not (interface / "device").exists() and not any(interface.glob("lower_*"))


def _has_card(bridge: Path) -> bool:
    """Tell whether a bridge leads out of the machine."""
    return any((port / "device").exists() for port in bridge.glob("lower_*"))


def _address(name: str) -> str | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            answer = fcntl.ioctl(asking, _GET_ADDRESS, struct.pack("256s", name.encode()[:15]))
        except OSError:
            return None
    return socket.inet_ntoa(answer[20:24])
