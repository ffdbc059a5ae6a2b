"""Pulls and imports. aiodocker carries them: they are rare, and their answers go on for long."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from io import BytesIO

import aiodocker
import aiohttp

from runnerhub.adapters.docker.base import INFO_SECONDS, Part, is_image
from runnerhub.adapters.docker.lines import Lines
from runnerhub.adapters.docker.progress import Layers, is_countdown
from runnerhub.adapters.docker.refusal import Refused
from runnerhub.ports.engine import PullProgress
from runnerhub.ports.errors import EngineUnavailable, ImagePullFailed, PortError


class Pulls(Part):
    """What brings images to an engine."""

    _stall_seconds: float  # how long a pull or an import may stand still

    async def pull_image(
        self, image: str, on_progress: Callable[[PullProgress], None] = lambda _: None
    ) -> None:
        """Pull an image; a pull that stands still for `stall_seconds` has failed."""
        if not is_image(image):
            raise ImagePullFailed(f"{image!r} is no name of an image")
        try:
            await self._bridge.call(self._pull_image, image, on_progress)
        except Refused as refused:
            raise ImagePullFailed(refused.message) from None
        except EngineUnavailable as error:
            raise await self._as_failed_pull(image, error) from None

    async def _pull_image(self, image: str, on_progress: Callable[[PullProgress], None]) -> None:
        params = {"fromImage": image}
        if ":" not in image.rpartition("/")[2] and "@" not in image:
            params["tag"] = "latest"  # without a tag all of them would be pulled
        path, stall, layers = "images/create", self._stall_seconds, Layers()
        async with (
            self._rare.stream("POST", path, stall, params=params) as answer,
            asyncio.timeout(stall) as bound,
        ):
            async for line in _lines(answer):
                said = json.loads(line)
                if "error" in said:
                    raise ImagePullFailed(str(said["error"]))
                if (far := layers.note(said)) is not None:
                    on_progress(far)
                if not is_countdown(said):
                    bound.reschedule(asyncio.get_running_loop().time() + stall)

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
            await self._http.json("GET", "version", INFO_SECONDS)
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
            async with self._rare.stream(
                "POST",
                "images/create",
                stall,
                params=params,
                data=BytesIO(archive),
                headers=headers,
            ) as answer:
                async for _ in _lines(answer):
                    pass
        except Refused as refused:
            raise refused.as_error() from None


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    lines = Lines()
    async for chunk in response.content.iter_any():
        for line in lines.feed(chunk):
            yield line
    for line in lines.rest():
        yield line
