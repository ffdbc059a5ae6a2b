"""The engine port on a real Docker Engine. Each method is one crossing of the bridge."""

import asyncio
import json
import math
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import aiodocker

from runnerhub.adapters.docker import answers, bodies, pause, streams
from runnerhub.adapters.docker.client import Client, Refused, TlsFiles
from runnerhub.adapters.docker.progress import Layers, is_countdown
from runnerhub.adapters.docker.stdin import open_stdin
from runnerhub.ports.engine import (
    ContainerSpec,
    ContainerState,
    EngineEvent,
    EngineInfo,
    HolderImage,
    ImageConfig,
    NetworkSpec,
    NetworkState,
    PullProgress,
    Stdin,
)
from runnerhub.ports.errors import (
    EngineRefused,
    EngineUnavailable,
    ImageMissing,
    ImagePullFailed,
    NameConflict,
    PortError,
    SubnetConflict,
)
from runnerhub.runtime import Bridge, open_stream

if TYPE_CHECKING:
    import trio

    from runnerhub.model.logs import LogEntry

_INFO_SECONDS = 5.0
_READ_SECONDS = 10.0
_WRITE_SECONDS = 30.0
_EXEC_SECONDS = 60.0
_POLL_SECONDS = 0.05
_MISSING, _CONFLICT = 404, 409
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]*")


class DockerEngine:
    """One Docker Engine; `ports.engine.Engine` says what the methods do.

    Args:
        bridge: to the host loop.
        url: `unix:///path` or `tcp://host:port`.
        tls: files for mutual TLS; None for a unix socket, or for tcp in the clear.
        stall_seconds: how long a pull or an import may stand still.
    """

    def __init__(
        self,
        bridge: Bridge,
        url: str,
        tls: TlsFiles | None = None,
        *,
        stall_seconds: float = 20.0,
    ) -> None:
        self._bridge = bridge
        self._client = Client(url, tls)
        self._stall_seconds = stall_seconds

    async def open(self) -> None:
        """Get ready. Sends nothing, so it works while the engine is away."""
        await self._bridge.call(self._client.open)

    async def close(self) -> None:
        """Close every connection. Harmless when repeated."""
        await self._bridge.call(self._client.close)

    async def info(self) -> EngineInfo:
        """Return what the engine says of itself."""
        return answers.engine_info(await self._ask("GET", "info", _INFO_SECONDS))

    # ------------------------------------------------------------------ networks

    async def create_network(self, spec: NetworkSpec) -> None:
        """Create a bridge network with an explicit subnet."""
        body = bodies.network_body(spec)
        try:
            await self._request("POST", "networks/create", _WRITE_SECONDS, body=body)
        except Refused as refused:
            if refused.status == _CONFLICT or refused.says("same bridge name"):
                raise NameConflict(refused.message) from None
            if refused.says("overlap"):
                raise SubnetConflict(refused.message) from None
            raise refused.as_error() from None

    async def remove_network(self, name: str) -> bool:
        """Remove a network, disconnecting what is on it."""
        return await self._bridge.call(self._remove_network, name)

    async def _remove_network(self, name: str) -> bool:
        try:
            await self._client.json("DELETE", f"networks/{_quoted(name)}", _WRITE_SECONDS)
        except Refused as refused:
            if refused.status == _MISSING:
                return False
            if not refused.says("active endpoints", "ambiguous", "matches found"):
                raise refused.as_error() from None
        else:
            return True
        params = {"filters": json.dumps({"name": [name]})}  # matches substrings too
        found = await self._client.json("GET", "networks", _READ_SECONDS, params=params)
        for network in found:
            if network["Name"] == name:
                await self._disconnect_and_remove(str(network["Id"]))
        return True

    async def _disconnect_and_remove(self, network_id: str) -> None:
        path = f"networks/{network_id}"
        try:
            state = await self._client.json("GET", path, _READ_SECONDS)
            for endpoint, member in (state.get("Containers") or {}).items():
                # An endpoint without its container bears the container's name only.
                whom = member["Name"] if endpoint.startswith("ep-") else endpoint
                body = {"Container": whom, "Force": True}
                try:
                    await self._client.json("POST", f"{path}/disconnect", _WRITE_SECONDS, body=body)
                except Refused:
                    continue  # gone meanwhile, or the removal says why not
            await self._client.json("DELETE", path, _WRITE_SECONDS)
        except Refused as refused:
            if refused.status != _MISSING:
                raise refused.as_error() from None

    async def networks(self, label: str | None = None) -> Sequence[NetworkState]:
        """List networks."""
        params = {"filters": json.dumps({"label": [label]})} if label else {}
        found = await self._ask("GET", "networks", _READ_SECONDS, params=params)
        return [answers.network_state(each) for each in found]

    # ------------------------------------------------------------------ containers

    async def create_container(self, spec: ContainerSpec) -> str:
        """Create a container, least privileged."""
        if not _is_image(spec.image):
            raise ImageMissing(f"{spec.image!r} is no name of an image")
        body, params = bodies.container_body(spec), {"name": spec.name}
        try:
            made = await self._request(
                "POST", "containers/create", _WRITE_SECONDS, body=body, params=params
            )
        except Refused as refused:
            if refused.status == _MISSING and refused.says("no such image", "image not found"):
                raise ImageMissing(refused.message) from None
            if refused.status == _CONFLICT and refused.says("in use", "conflict"):
                raise NameConflict(refused.message) from None
            raise refused.as_error() from None
        return str(made["Id"])

    async def start_container(self, name: str) -> None:
        """Start a container."""
        await self._ask("POST", f"containers/{_quoted(name)}/start", _WRITE_SECONDS)

    async def inspect_container(self, name: str) -> ContainerState | None:
        """Return the state of a container."""
        found = await self._find(f"containers/{_quoted(name)}/json")
        return None if found is None else answers.inspected_container(found)

    async def containers(self, label: str) -> Sequence[ContainerState]:
        """List containers, running or not."""
        params = {"all": "1", "filters": json.dumps({"label": [label]})}
        found = await self._ask("GET", "containers/json", _READ_SECONDS, params=params)
        return [answers.listed_container(each) for each in found]

    async def stop_container(self, name: str, grace_seconds: float) -> None:
        """TERM, wait for the grace, then KILL."""
        path, params = f"containers/{_quoted(name)}", {}
        if grace_seconds > 0:
            path, params = f"{path}/stop", {"t": str(math.ceil(grace_seconds))}
        else:
            path = f"{path}/kill"
        try:
            await self._request("POST", path, _WRITE_SECONDS + max(grace_seconds, 0), params=params)
        except Refused as refused:
            if refused.status != _MISSING and not refused.says("is not running"):
                raise refused.as_error() from None

    async def remove_container(self, name: str) -> bool:
        """Kill and remove a container with its anonymous volumes."""
        return await self._bridge.call(self._remove_container, name)

    async def _remove_container(self, name: str) -> bool:
        path, params = f"containers/{_quoted(name)}", {"force": "1", "v": "1"}
        try:
            await self._client.json("DELETE", path, _WRITE_SECONDS, params=params)
        except Refused as refused:
            if refused.status == _MISSING:
                return False
            if not refused.says("already in progress"):
                raise refused.as_error() from None
            await self._wait_until_gone(path)
        return True

    async def _wait_until_gone(self, path: str) -> None:
        """Somebody else is removing it: their success is ours."""
        for _ in range(round(_WRITE_SECONDS / _POLL_SECONDS)):
            try:
                await self._client.json("GET", f"{path}/json", _READ_SECONDS)
            except Refused as refused:
                if refused.status == _MISSING:
                    return
                raise refused.as_error() from None
            await asyncio.sleep(_POLL_SECONDS)
        raise EngineUnavailable("A removal that was in progress has not ended")

    async def volumes(self) -> frozenset[str]:
        """Return the names of all volumes, ours or not."""
        found = await self._ask("GET", "volumes", _READ_SECONDS)
        return frozenset(volume["Name"] for volume in found["Volumes"] or ())

    async def exec_ok(self, name: str, command: Sequence[str]) -> bool:
        """Run a command in a running container and tell whether it exited 0."""
        return await self._bridge.call(self._exec_ok, name, command)

    async def _exec_ok(self, name: str, command: Sequence[str]) -> bool:
        body = {"Cmd": list(command), "AttachStdout": True, "AttachStderr": True}
        path = f"containers/{_quoted(name)}/exec"
        try:
            made = await self._client.json("POST", path, _WRITE_SECONDS, body=body)
            path, start = f"exec/{made['Id']}", {"Detach": False, "Tty": False}
            async with (
                self._client.stream("POST", f"{path}/start", _EXEC_SECONDS, body=start) as output,
                asyncio.timeout(_EXEC_SECONDS),
            ):
                async for _ in output.content.iter_any():
                    pass  # its output is nobody's, and its end is the command's
            while True:
                state = await self._client.json("GET", f"{path}/json", _READ_SECONDS)
                if not state["Running"]:
                    return bool(state["ExitCode"] == 0)
                await asyncio.sleep(_POLL_SECONDS)
        except Refused:
            return False  # not running, gone, or no such command in it

    async def limit_container(
        self, name: str, *, cpus: float | None, memory_mb: int | None, pids: int | None
    ) -> None:
        """Set the limits of a running container."""
        body = bodies.limits_body(cpus=cpus, memory_mb=memory_mb, pids=pids)
        await self._ask("POST", f"containers/{_quoted(name)}/update", _WRITE_SECONDS, body=body)

    def open_stdin(self, name: str) -> AbstractAsyncContextManager[Stdin]:
        """Hold a container's stdin open."""
        return open_stdin(self._bridge, self._client, name)

    # ------------------------------------------------------------------ images

    async def holder_image(self) -> HolderImage:
        """Return an image whose container idles, imported where it is missing."""
        if not await self.has_image(pause.IMAGE):
            architecture = str((await self._ask("GET", "info", _INFO_SECONDS)).get("Architecture"))
            if architecture not in pause.ARCHITECTURES:
                raise EngineRefused(f"there is no holder for engines of {architecture}")
            await self.import_image(pause.IMAGE, pause.root_file_system(architecture))
        return HolderImage(pause.IMAGE, pause.COMMAND)

    async def image_config(self, image: str) -> ImageConfig:
        """Return what an image runs by itself."""
        found = await self._find(f"images/{image}/json") if _is_image(image) else None
        if found is None:
            raise ImageMissing(f"No such image: {image}")
        return answers.image_config(found)

    async def has_image(self, image: str) -> bool:
        """Tell whether an image is present."""
        return _is_image(image) and await self._find(f"images/{image}/json") is not None

    async def pull_image(
        self, image: str, on_progress: Callable[[PullProgress], None] = lambda _: None
    ) -> None:
        """Pull an image; a pull that stands still for `stall_seconds` has failed."""
        if not _is_image(image):
            raise ImagePullFailed(f"{image!r} is no name of an image")
        await self._bridge.call(self._pull_image, image, on_progress)

    async def _pull_image(self, image: str, on_progress: Callable[[PullProgress], None]) -> None:
        params = {"fromImage": image}
        if ":" not in image.rpartition("/")[2] and "@" not in image:
            params["tag"] = "latest"  # without a tag all of them would be pulled
        path, stall, layers = "images/create", self._stall_seconds, Layers()
        try:
            async with (
                self._client.stream("POST", path, stall, params=params) as answer,
                asyncio.timeout(stall) as bound,
            ):
                async for line in streams.lines(answer):
                    said = json.loads(line)
                    if "error" in said:
                        raise ImagePullFailed(str(said["error"]))
                    if (far := layers.note(said)) is not None:
                        on_progress(far)
                    if not is_countdown(said):
                        bound.reschedule(asyncio.get_running_loop().time() + stall)
        except Refused as refused:
            raise ImagePullFailed(refused.message) from None
        except EngineUnavailable as error:
            raise await self._as_failed_pull(image, error) from None

    async def _as_failed_pull(self, image: str, error: EngineUnavailable) -> PortError:
        """Tell a registry that does not answer from an engine that does not."""
        match error.__context__:
            case TimeoutError():
                words = f"no progress for {self._stall_seconds:g} s"
            case aiodocker.DockerError(status=500) as refused:
                words = refused.message
            case _:
                return error
        with suppress(Refused):  # it answers, whatever it says
            await self._client.json("GET", "version", _INFO_SECONDS)
        return ImagePullFailed(f"{image}: {words}")

    async def import_image(
        self, image: str, root_file_system: bytes, changes: Sequence[str] = ()
    ) -> None:
        """Make an image of a root file system, a tar archive, and of lines as in a Dockerfile."""
        name, tag = image, "latest"
        if ":" in image.rpartition("/")[2]:  # else it is the port of a registry
            name, _, tag = image.rpartition(":")
        await self._bridge.call(self._import_image, name, tag, root_file_system, changes)

    async def _import_image(
        self, name: str, tag: str, archive: bytes, changes: Sequence[str]
    ) -> None:
        params = {"fromSrc": "-", "repo": name, "tag": tag}
        if changes:
            params["changes"] = "\n".join(changes)
        stall = self._stall_seconds
        headers = {"content-type": "application/x-tar"}
        try:
            async with self._client.stream(
                "POST",
                "images/create",
                stall,
                params=params,
                data=BytesIO(archive),
                headers=headers,
            ) as answer:
                async for _ in streams.lines(answer):
                    pass
        except Refused as refused:
            raise refused.as_error() from None

    # ------------------------------------------------------------------ streams

    @asynccontextmanager
    async def events(self, label: str) -> "AsyncIterator[trio.MemoryReceiveChannel[EngineEvent]]":
        """Stream container events from now on."""
        make = partial(streams.events, self._client, label)
        async with open_stream(self._bridge, make, buffer=1024) as stream:
            await stream.receive()  # the mark that says: subscribed
            yield cast("trio.MemoryReceiveChannel[EngineEvent]", stream)

    def logs(
        self, name: str, since: str = ""
    ) -> "AbstractAsyncContextManager[trio.MemoryReceiveChannel[LogEntry]]":
        """Follow a container's log to its end."""
        make = partial(streams.logs, self._client, name, since)
        stream = open_stream(self._bridge, make, buffer=256)
        return cast("AbstractAsyncContextManager[trio.MemoryReceiveChannel[LogEntry]]", stream)

    # ------------------------------------------------------------------ requests

    async def _request(self, method: str, path: str, seconds: float, **request: Any) -> Any:  # noqa: ANN401
        return await self._bridge.call(self._client.json, method, path, seconds, **request)

    async def _ask(self, method: str, path: str, seconds: float, **request: Any) -> Any:  # noqa: ANN401
        try:
            return await self._request(method, path, seconds, **request)
        except Refused as refused:
            raise refused.as_error() from None

    async def _find(self, path: str) -> dict[str, Any] | None:
        try:
            found = await self._request("GET", path, _READ_SECONDS)
        except Refused as refused:
            if refused.status == _MISSING:
                return None
            raise refused.as_error() from None
        return cast("dict[str, Any]", found)


def _quoted(name: str) -> str:
    if name in {"", ".", ".."}:
        raise EngineRefused(f"{name!r} is no name")
    return quote(name, safe="")


def _is_image(name: str) -> bool:
    return _IMAGE.fullmatch(name) is not None and ".." not in name
