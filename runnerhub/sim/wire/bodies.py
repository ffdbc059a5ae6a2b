"""The API's JSON as our specs."""

import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from runnerhub.ports.engine import NetworkSpec
from runnerhub.sim.container import DetailedSpec
from runnerhub.sim.refusals import BadParameter

_MIB = 1 << 20
_NAME = re.compile(r"/?[a-zA-Z0-9][a-zA-Z0-9_.-]+")
_SIZE = re.compile(r"(\d+)([bkmg]?)b?", re.IGNORECASE)
_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_NO_NETWORK = frozenset({"", "none", "default", "bridge", "host"})


def image_name(name: str, tag: str = "") -> str:
    """Return an image's name with its tag, as the engine completes it."""
    for prefix in ("docker.io/library/", "docker.io/"):
        name = name.removeprefix(prefix)
    if "@" in name or ":" in name.rpartition("/")[2]:
        return name
    return f"{name}@{tag}" if tag.startswith("sha256:") else f"{name}:{tag or 'latest'}"


def container_spec(name: str, body: Mapping[str, Any]) -> DetailedSpec:
    """Read the body of a container's creation.

    Raises:
        BadParameter: it is none.
    """
    if name and not _NAME.fullmatch(name):
        raise BadParameter(
            f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
        )
    host = body.get("HostConfig") or {}
    mode = str(host.get("NetworkMode") or "")
    endpoints = (body.get("NetworkingConfig") or {}).get("EndpointsConfig") or {}
    network = None if mode in _NO_NETWORK or mode.startswith("container:") else mode
    endpoint = endpoints.get(mode) or {}
    try:
        return DetailedSpec(
            name=name.removeprefix("/") or f"sim_{secrets.token_hex(4)}",
            image=image_name(str(body.get("Image") or "")),
            labels=dict(body.get("Labels") or {}),
            command=_words(body.get("Cmd")),
            entrypoint=_words(body.get("Entrypoint")) or None,
            env=dict(_pair(each) for each in body.get("Env") or ()),
            network=network,
            aliases=tuple(endpoint.get("Aliases") or ()),
            joins=mode.partition(":")[2] if mode.startswith("container:") else None,
            cpus=host["NanoCpus"] / 1e9 if host.get("NanoCpus") else None,
            memory_mb=host["Memory"] // _MIB if host.get("Memory") else None,
            disk_mb=_size(host.get("StorageOpt") or {}),
            stdin=bool(body.get("OpenStdin")),
            tty=bool(body.get("Tty")),
            auto_remove=bool(host.get("AutoRemove")),
            host_config=host,
            config={key: value for key, value in body.items() if key not in _NOT_CONFIG},
        )
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise BadParameter(f"invalid container configuration: {error}") from None


_NOT_CONFIG = frozenset({"HostConfig", "NetworkingConfig"})


def _words(value: str | Sequence[str] | None) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value or ())


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


def _size(options: Mapping[str, str]) -> int | None:
    if "size" not in options:
        return None
    match = _SIZE.fullmatch(options["size"])
    if match is None:
        raise ValueError(f"invalid size: {options['size']!r}")
    return int(match[1]) * _UNITS[match[2].lower()] // _MIB


def network_spec(body: Mapping[str, Any], free: str) -> NetworkSpec:
    """Read the body of a network's creation.

    Args:
        body: what was sent.
        free: the subnet of a network that asks for none.

    Raises:
        BadParameter: it is none.
    """
    try:
        pools = (body.get("IPAM") or {}).get("Config") or [{}]
        name = str(body.get("Name") or "")
        if not name:
            raise BadParameter("network name is required")
        options = body.get("Options") or {}
        return NetworkSpec(
            name=name,
            labels=dict(body.get("Labels") or {}),
            subnet=str(pools[0].get("Subnet") or free),
            internal=bool(body.get("Internal")),
            bridge=str(options.get("com.docker.network.bridge.name", "")),
        )
    except (TypeError, ValueError, AttributeError) as error:
        raise BadParameter(f"invalid network configuration: {error}") from None
