"""Containers, networks and events as the API's JSON: what clients look at or fail without."""

import hashlib
from functools import lru_cache
from typing import Any

from runnerhub.sim.container import DetailedSpec, SimContainer
from runnerhub.sim.events import SimEvent
from runnerhub.sim.network import SimNetwork
from runnerhub.sim.wire.encoding import encode
from runnerhub.sim.world import World

NEVER = "0001-01-01T00:00:00Z"


@lru_cache(maxsize=4096)
def image_id(image: str) -> str:
    """Return the id of an image."""
    return f"sha256:{hashlib.sha256(image.encode()).hexdigest()}"


def state(container: SimContainer) -> dict[str, Any]:
    """Return the `State` of an inspection."""
    text, status = container.clock.text, container.status
    ended = status == "exited"
    code = container.exit_code if ended else 127 if container.error else 0
    return {
        "Status": status,
        "Running": status == "running",
        "Paused": False,
        "Restarting": False,
        "OOMKilled": ended and container.out_of_memory,
        "Dead": False,
        "Pid": 4242 if status == "running" else 0,
        "ExitCode": code,
        "Error": container.error,
        "StartedAt": NEVER if container.started_at is None else text(container.started_at),
        "FinishedAt": text(container.ends_at) if ended else NEVER,
    }


def inspected(world: World, container: SimContainer) -> bytes:
    """Return the answer of `GET /containers/NAME/json`, encoded."""
    if not container.encoded:
        container.encoded = encode(_unchanging(world, container)).removeprefix("{")
    changing = {
        "State": state(container),
        "NetworkSettings": {"Ports": {}, "Networks": _endpoints(world, container)},
    }
    return f"{encode(changing)[:-1]},{container.encoded}\n".encode()


def _unchanging(world: World, container: SimContainer) -> dict[str, Any]:
    spec, command = container.spec, container.command
    detailed = spec if isinstance(spec, DetailedSpec) else None
    config = {
        "Hostname": container.container_id[:12],
        "Tty": False,
        "OpenStdin": spec.stdin,
        **(detailed.config if detailed else {}),
        "Image": spec.image,
        "Labels": spec.labels,
        "Cmd": list(spec.command) or command,
    }
    return {
        "Id": container.container_id,
        "Created": world.clock.text(container.created_at),
        "Path": command[0] if command else "",
        "Args": command[1:],
        "Image": image_id(spec.image),
        "Name": f"/{spec.name}",
        "RestartCount": 0,
        "Driver": "overlay2",
        "Platform": "linux",
        "MountLabel": "",
        "HostConfig": detailed.host_config if detailed else {},
        "Mounts": [],
        "Config": config,
    }


def listed(world: World, container: SimContainer) -> dict[str, Any]:
    """Return an item of `GET /containers/json`."""
    spec = container.spec
    mode = spec.network or "none"
    if isinstance(spec, DetailedSpec):
        mode = str(spec.host_config.get("NetworkMode") or "default")
    return {
        "Id": container.container_id,
        "Names": [f"/{spec.name}"],
        "Image": spec.image,
        "ImageID": image_id(spec.image),
        "Command": " ".join(container.command),
        "Created": world.clock.unix_ns(container.created_at) // 10**9,
        "Ports": [],
        "Labels": spec.labels,
        "State": container.status,
        "Status": _status(container),
        "HostConfig": {"NetworkMode": mode},
        "NetworkSettings": {"Networks": _endpoints(world, container)},
        "Mounts": [],
    }


def _status(container: SimContainer) -> str:
    now = container.clock.now()
    if container.started_at is None:
        return "Created"
    if container.is_running:
        return f"Up {_ago(now - container.started_at)}"
    return f"Exited ({container.exit_code}) {_ago(now - container.ends_at)} ago"


def _ago(seconds: float) -> str:
    for size, word in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds // size:.0f} {word}"
    return f"{seconds:.0f} seconds" if seconds >= 1 else "Less than a second"


def _endpoints(world: World, container: SimContainer) -> dict[str, Any]:
    found = {}
    for name in container.networks:
        network = world.networks.get(name)
        found[name] = {
            "NetworkID": network.network_id if network else "",
            "EndpointID": container.container_id[::-1] if container.is_running else "",
            "IPPrefixLen": network.subnet.prefixlen if network else 0,
            "Gateway": "",
            "IPAddress": "",
            "Aliases": list(container.spec.aliases),
        }
    return found


def network(world: World, found: SimNetwork, members: list[SimContainer]) -> dict[str, Any]:
    """Return the answer of `GET /networks/NAME`."""
    return {
        "Name": found.spec.name,
        "Id": found.network_id,
        "Created": world.clock.text(found.created_at),
        "Scope": "local",
        "Driver": "bridge",
        "EnableIPv6": False,
        "IPAM": {"Driver": "default", "Options": {}, "Config": [{"Subnet": found.spec.subnet}]},
        "Internal": found.spec.internal,
        "Attachable": False,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {
            c.container_id: {
                "Name": c.spec.name,
                "EndpointID": c.container_id[::-1],
                "MacAddress": "",
                "IPv4Address": "",
                "IPv6Address": "",
            }
            for c in members
            if c.is_running
        },
        "Options": {"com.docker.network.bridge.name": found.spec.bridge},
        "Labels": found.spec.labels,
    }


def own_network(world: World, name: str) -> dict[str, Any]:
    """Return one of the networks that every engine has."""
    driver = {"none": "null"}.get(name, name)
    return {
        "Name": name,
        "Id": hashlib.sha256(name.encode()).hexdigest(),
        "Created": world.clock.text(world.clock.now()),
        "Scope": "local",
        "Driver": driver,
        "EnableIPv6": False,
        "IPAM": {"Driver": "default", "Options": None, "Config": []},
        "Internal": False,
        "Containers": {},
        "Options": {},
        "Labels": {},
    }


def event(world: World, happened: SimEvent) -> bytes:
    """Return an item of `GET /events`, encoded."""
    if not happened.encoded:
        happened.encoded = f"{encode(_event(world, happened))}\n".encode()
    return happened.encoded


def _event(world: World, happened: SimEvent) -> dict[str, Any]:
    ns = world.clock.unix_ns(happened.at)
    answer = {
        "Type": happened.kind,
        "Action": happened.action,
        "Actor": {
            "ID": happened.actor,
            "Attributes": {**happened.labels, **happened.details, "name": happened.name},
        },
        "scope": "local",
        "time": ns // 10**9,
        "timeNano": ns,
    }
    if happened.kind == "container":
        old = {"status": happened.action, "id": happened.actor}
        return {**old, "from": happened.details.get("image", ""), **answer}
    return answer
