"""An engine and its images as the API's JSON: what clients look at or fail without."""

from typing import Any

from runnerhub.ports.engine import EngineInfo
from runnerhub.sim.wire.answers import image_id
from runnerhub.sim.world import World

API, OLDEST = "1.41", "1.12"
_MIB = 1 << 20


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
