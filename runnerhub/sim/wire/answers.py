"""Our states as the API's JSON: what clients look at, and what they fail without."""

import hashlib
from functools import lru_cache
from typing import Any

from runnerhub.ports.engine import EngineInfo
from runnerhub.sim.container import DetailedSpec, SimContainer
from runnerhub.sim.events import SimEvent
from runnerhub.sim.network import SimNetwork
from runnerhub.sim.world import World

NEVER = "0001-01-01T00:00:00Z"
API, OLDEST = "1.41", "1.12"
_MIB = 1 << 20


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


def inspected(world: World, container: SimContainer) -> dict[str, Any]:
    """Return the answer of `GET /containers/NAME/json`."""
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
        "State": state(container),
        "Image": image_id(spec.image),
        "Name": f"/{spec.name}",
        "RestartCount": 0,
        "Driver": "overlay2",
        "Platform": "linux",
        "MountLabel": "",
        "HostConfig": detailed.host_config if detailed else {},
        "Mounts": [],
        "Config": config,
        "NetworkSettings": {"Ports": {}, "Networks": _endpoints(world, container)},
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


def event(world: World, happened: SimEvent) -> dict[str, Any]:
    """Return an item of `GET /events`."""
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


def image(name: str, created: int) -> dict[str, Any]:
    """Return an item of `GET /images/json`."""
    return {
        "Id": image_id(name),
        "ParentId": "",
        "RepoTags": [name],
        "RepoDigests": [],
        "Created": created,
        "Size": _MIB,
        "VirtualSize": _MIB,
        "SharedSize": -1,
        "Labels": {},
        "Containers": -1,
    }


def inspected_image(name: str, created: str) -> dict[str, Any]:
    """Return the answer of `GET /images/NAME/json`."""
    config: dict[str, Any] = {
        "Cmd": ["sh"],
        "Entrypoint": None,
        "Env": ["PATH=/usr/bin:/bin"],
        "Labels": {},
    }
    return {
        "Id": image_id(name),
        "RepoTags": [name],
        "RepoDigests": [],
        "Parent": "",
        "Comment": "",
        "Created": created,
        "DockerVersion": "sim",
        "Author": "",
        "Config": config,
        "Architecture": "amd64",
        "Os": "linux",
        "Size": _MIB,
        "VirtualSize": _MIB,
        "GraphDriver": {"Name": "overlay2", "Data": {}},
        "RootFS": {"Type": "layers", "Layers": []},
        "Metadata": {"LastTagTime": created},
    }


def info(world: World, about: EngineInfo, images: int) -> dict[str, Any]:
    """Return the answer of `GET /info`."""
    states = [container.status for container in world.containers.values()]
    return {
        "ID": about.engine_id,
        "Name": about.engine_id,
        "Containers": len(states),
        "ContainersRunning": states.count("running"),
        "ContainersPaused": 0,
        "ContainersStopped": len(states) - states.count("running"),
        "Images": images,
        "Driver": about.storage_driver,
        "DriverStatus": [],
        "Plugins": {
            "Volume": ["local"],
            "Network": ["bridge", "host", "null"],
            "Authorization": None,
            "Log": ["json-file"],
        },
        "MemoryLimit": True,
        "SwapLimit": True,
        "CpuCfsPeriod": True,
        "CpuCfsQuota": True,
        "PidsLimit": True,
        "IPv4Forwarding": True,
        "OomKillDisable": False,
        "LoggingDriver": "json-file",
        "CgroupDriver": "cgroupfs",
        "CgroupVersion": "1",
        "SystemTime": world.clock.text(world.clock.now()),
        "KernelVersion": "simulated",
        "OperatingSystem": "RunnerHub simulated host",
        "OSType": "linux",
        "Architecture": "x86_64",
        "NCPU": int(about.cpus),
        "MemTotal": about.memory_mb * _MIB,
        "DockerRootDir": "/var/lib/docker",
        "IndexServerAddress": "",
        "Labels": [],
        "ExperimentalBuild": False,
        "ServerVersion": about.version,
        "Runtimes": {"runc": {"path": "runc"}},
        "DefaultRuntime": "runc",
        "Swarm": {"LocalNodeState": "inactive", "ControlAvailable": False, "Error": ""},
        "LiveRestoreEnabled": about.live_restore,
        "Isolation": "",
        "InitBinary": "",
        "SecurityOptions": ["name=seccomp,profile=default"],
        "Warnings": None,
    }


def version(about: EngineInfo) -> dict[str, Any]:
    """Return the answer of `GET /version`."""
    details = {"ApiVersion": API, "MinAPIVersion": OLDEST, "Arch": "amd64", "Os": "linux"}
    return {
        "Platform": {"Name": "RunnerHub simulated host"},
        "Components": [{"Name": "Engine", "Version": about.version, "Details": details}],
        "Version": about.version,
        "ApiVersion": API,
        "MinAPIVersion": OLDEST,
        "GitCommit": "",
        "GoVersion": "",
        "Os": "linux",
        "Arch": "amd64",
        "KernelVersion": "simulated",
        "BuildTime": "",
    }
