"""Containers: from their creation to their removal."""

import json
import math
from collections.abc import Sequence

import trio

from runnerhub.adapters.docker import answers, bodies
from runnerhub.adapters.docker.base import (
    POLL_SECONDS,
    READ_SECONDS,
    WRITE_SECONDS,
    Part,
    is_image,
    quoted,
)
from runnerhub.adapters.docker.refusal import CONFLICT, MISSING, Refused
from runnerhub.ports.engine import ContainerSpec, ContainerState
from runnerhub.ports.errors import EngineUnavailable, ImageMissing, NameConflict


class Containers(Part):
    """The containers of an engine."""

    async def create_container(self, spec: ContainerSpec) -> str:
        """Create a container, least privileged."""
        if not is_image(spec.image):
            raise ImageMissing(f"{spec.image!r} is no name of an image")
        body, params = bodies.container_body(spec), {"name": spec.name}
        try:
            made = await self._http.json(
                "POST", "containers/create", WRITE_SECONDS, body=body, params=params
            )
        except Refused as refused:
            if refused.status == MISSING and refused.says("no such image", "image not found"):
                raise ImageMissing(refused.message) from None
            if refused.status == CONFLICT and refused.says("in use", "conflict"):
                raise NameConflict(refused.message) from None
            raise refused.as_error() from None
        return str(made["Id"])

    async def start_container(self, name: str) -> None:
        """Start a container."""
        await self._ask("POST", f"containers/{quoted(name)}/start", WRITE_SECONDS)

    async def inspect_container(self, name: str) -> ContainerState | None:
        """Return the state of a container."""
        found = await self._find(f"containers/{quoted(name)}/json")
        state = None if found is None else answers.inspected_container(found)
        if state is None or state.has_ended:
            self._followed.ended(name)
        return state

    async def containers(self, label: str) -> Sequence[ContainerState]:
        """List containers, running or not."""
        params = {"all": "1", "filters": json.dumps({"label": [label]})}
        found = await self._ask("GET", "containers/json", READ_SECONDS, params=params)
        return [answers.listed_container(each) for each in found]

    async def stop_container(self, name: str, grace_seconds: float) -> None:
        """TERM, wait for the grace, then KILL."""
        path, seconds = f"containers/{quoted(name)}", WRITE_SECONDS + max(grace_seconds, 0)
        try:
            if grace_seconds > 0:
                params = {"t": str(math.ceil(grace_seconds))}
                # Those that wait for containers would keep all turns from the others.
                await self._http.json("POST", f"{path}/stop", seconds, params=params, in_turn=False)
            else:
                await self._http.json("POST", f"{path}/kill", seconds)
        except Refused as refused:
            if refused.status != MISSING and not refused.says("is not running"):
                raise refused.as_error() from None

    async def remove_container(self, name: str) -> bool:
        """Kill and remove a container with its anonymous volumes."""
        path, params = f"containers/{quoted(name)}", {"force": "1", "v": "1"}
        try:
            await self._http.json("DELETE", path, WRITE_SECONDS, params=params)
        except Refused as refused:
            if refused.status == MISSING:
                return False
            if not refused.says("already in progress"):
                raise refused.as_error() from None
            await self._wait_until_gone(path)
        self._followed.ended(name)
        return True

    async def _wait_until_gone(self, path: str) -> None:
        """Somebody else is removing it: their success is ours."""
        for _ in range(round(WRITE_SECONDS / POLL_SECONDS)):
            try:
                await self._http.json("GET", f"{path}/json", READ_SECONDS)
            except Refused as refused:
                if refused.status == MISSING:
                    return
                raise refused.as_error() from None
            await trio.sleep(POLL_SECONDS)
        raise EngineUnavailable("A removal that was in progress has not ended")

    async def volumes(self) -> frozenset[str]:
        """Return the names of all volumes, ours or not."""
        found = await self._ask("GET", "volumes", READ_SECONDS)
        return frozenset(volume["Name"] for volume in found["Volumes"] or ())

    async def limit_container(
        self, name: str, *, cpus: float | None, memory_mb: int | None, pids: int | None
    ) -> None:
        """Set the limits of a running container."""
        body = bodies.limits_body(cpus=cpus, memory_mb=memory_mb, pids=pids)
        await self._ask("POST", f"containers/{quoted(name)}/update", WRITE_SECONDS, body=body)
