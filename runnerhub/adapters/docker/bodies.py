"""Our specs as the engine's JSON."""

from typing import Any

from runnerhub.ports.engine import ContainerSpec, NetworkSpec

_MIB = 1 << 20

# A rotated file would lose lines that nobody has read yet, so one older file is kept.
_LOG_FILES = "2"


def network_body(spec: NetworkSpec) -> dict[str, Any]:
    """Return the body of a network's creation."""
    options = {
        "com.docker.network.bridge.name": spec.bridge,
        "com.docker.network.bridge.enable_icc": "true",  # a job and its services
    }
    if spec.internal:
        # Without it the gateway's address on the host answers, although "internal" is said.
        options["com.docker.network.bridge.inhibit_ipv4"] = "true"
    return {
        "Name": spec.name,
        "CheckDuplicate": True,  # engines from API 1.44 on always do
        "Driver": "bridge",
        "Internal": spec.internal,
        "EnableIPv6": False,
        "IPAM": {"Driver": "default", "Config": [{"Subnet": spec.subnet}]},
        "Options": options,
        "Labels": dict(spec.labels),
    }


def container_body(spec: ContainerSpec) -> dict[str, Any]:
    """Return the body of a container's creation."""
    body: dict[str, Any] = {
        "Image": spec.image,
        "Env": [f"{name}={value}" for name, value in spec.env.items()],
        "Labels": dict(spec.labels),
        "OpenStdin": spec.stdin,
        "StdinOnce": spec.stdin,  # whoever holds it open lets go: it ends
        "AttachStdin": spec.stdin,
        "Tty": False,
        "HostConfig": _host_config(spec),
    }
    if spec.command:
        body["Cmd"] = list(spec.command)
    if spec.entrypoint is not None:
        body["Entrypoint"] = list(spec.entrypoint)
    if spec.user is not None:
        body["User"] = spec.user
    if spec.network is not None:
        endpoint = {"Aliases": list(spec.aliases)}
        body["NetworkingConfig"] = {"EndpointsConfig": {spec.network: endpoint}}
    return body


def _host_config(spec: ContainerSpec) -> dict[str, Any]:
    config: dict[str, Any] = {
        "NetworkMode": f"container:{spec.joins}" if spec.joins else spec.network or "none",
        "Privileged": False,
        "CapDrop": ["ALL"],
        "CapAdd": list(spec.cap_add),
        "SecurityOpt": ["no-new-privileges"],
        "ReadonlyRootfs": spec.read_only,
        "IpcMode": "private",
        # No init: not every host has Docker's, and a create with it then fails.
        "Init": False,
        "AutoRemove": False,  # the log is read first
        "RestartPolicy": {"Name": "no"},
        "LogConfig": {
            "Type": "json-file",
            "Config": {"max-size": f"{spec.log_max_mb}m", "max-file": _LOG_FILES},
        },
    }
    config |= limits_body(cpus=spec.cpus, memory_mb=spec.memory_mb, pids=spec.pids)
    if spec.tmpfs_mb is not None:
        options = f"rw,exec,nosuid,nodev,mode=1777,size={spec.tmpfs_mb}m"
        config["Tmpfs"] = {"/tmp": options}  # noqa: S108 - inside the container
    if spec.disk_mb is not None:
        config["StorageOpt"] = {"size": f"{spec.disk_mb}M"}
    return config


def limits_body(*, cpus: float | None, memory_mb: int | None, pids: int | None) -> dict[str, Any]:
    """Return the limits that can change while a container runs; None is left out."""
    body: dict[str, Any] = {}
    if cpus is not None:
        body["NanoCpus"] = round(cpus * 1e9)
    if memory_mb is not None:
        body["Memory"] = body["MemorySwap"] = memory_mb * _MIB
    if pids is not None:
        body["PidsLimit"] = pids
    return body
