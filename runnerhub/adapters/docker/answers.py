"""The engine's JSON as our states. Fields that an engine leaves out are no error."""

from typing import Any

from runnerhub.adapters.docker.frames import fixed_width
from runnerhub.ports.engine import (
    ContainerState,
    EngineEvent,
    EngineInfo,
    ImageConfig,
    NetworkState,
)

_MIB = 1 << 20
_NEVER = "0001-01-01T"

# Drivers that enforce a size of the writable layer whatever lies below. Overlay can on XFS with
# project quotas, but no answer of the engine tells whether they are on.
_SIZED_DRIVERS = frozenset({"btrfs", "zfs", "devicemapper"})

# What an event's attributes hold beside the container's labels.
_NO_LABELS = frozenset({"image", "name", "exitCode", "execDuration", "execID", "signal"})


def engine_info(answer: dict[str, Any]) -> EngineInfo:
    """Read `GET /info`."""
    driver = str(answer.get("Driver", ""))
    return EngineInfo(
        engine_id=str(answer.get("ID", "")),
        version=str(answer.get("ServerVersion", "")),
        cpus=float(answer.get("NCPU", 0)),
        memory_mb=int(answer.get("MemTotal", 0)) // _MIB,
        storage_driver=driver,
        disk_limits=driver in _SIZED_DRIVERS,
        live_restore=bool(answer.get("LiveRestoreEnabled")),
    )


def network_state(answer: dict[str, Any]) -> NetworkState:
    """Read an item of `GET /networks`."""
    pools = (answer.get("IPAM") or {}).get("Config") or []
    return NetworkState(
        name=str(answer["Name"]),
        network_id=str(answer["Id"]),
        labels=answer.get("Labels") or {},
        subnets=tuple(str(pool["Subnet"]) for pool in pools if pool.get("Subnet")),
    )


def listed_container(answer: dict[str, Any]) -> ContainerState:
    """Read an item of `GET /containers/json`."""
    names = [str(name).removeprefix("/") for name in answer.get("Names") or []]
    return ContainerState(
        name=next((name for name in names if "/" not in name), ""),  # others are links to it
        container_id=str(answer["Id"]),
        labels=answer.get("Labels") or {},
        status=str(answer.get("State", "")),
    )


def inspected_container(answer: dict[str, Any]) -> ContainerState:
    """Read `GET /containers/NAME/json`."""
    state = answer["State"]
    status, error = str(state.get("Status", "")), str(state.get("Error") or "")
    has_code = status in {"exited", "dead"} or bool(error)
    return ContainerState(
        name=str(answer["Name"]).removeprefix("/"),
        container_id=str(answer["Id"]),
        labels=(answer.get("Config") or {}).get("Labels") or {},
        status=status,
        exit_code=int(state.get("ExitCode", 0)) if has_code else None,
        out_of_memory=bool(state.get("OOMKilled")),
        started_at=_moment(state.get("StartedAt")),
        finished_at=_moment(state.get("FinishedAt")),
        error=error,
    )


def image_config(answer: dict[str, Any]) -> ImageConfig:
    """Read `GET /images/NAME/json`."""
    config = answer.get("Config") or {}
    return ImageConfig(tuple(config.get("Entrypoint") or ()), tuple(config.get("Cmd") or ()))


def _moment(timestamp: str | None) -> str:
    return fixed_width(timestamp) if timestamp and not timestamp.startswith(_NEVER) else ""


def engine_event(answer: dict[str, Any]) -> EngineEvent:
    """Read an item of `GET /events`."""
    attributes = (answer.get("Actor") or {}).get("Attributes") or {}
    code = attributes.get("exitCode")
    return EngineEvent(
        # The commands of an exec follow its action after a colon.
        action=str(answer.get("Action", "")).partition(":")[0],
        name=str(attributes.get("name", "")),
        labels={key: value for key, value in attributes.items() if key not in _NO_LABELS},
        exit_code=int(code) if code is not None else None,
    )
