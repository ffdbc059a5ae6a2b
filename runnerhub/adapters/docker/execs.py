"""A command in a running container."""

import asyncio
from collections.abc import Sequence

import trio

from runnerhub.adapters.docker.base import POLL_SECONDS, READ_SECONDS, WRITE_SECONDS, Part, quoted
from runnerhub.adapters.docker.refusal import Refused

_EXEC_SECONDS = 60.0


class Execs(Part):
    """Commands in the containers of an engine."""

    async def exec_ok(self, name: str, command: Sequence[str]) -> bool:
        """Run a command in a running container and tell whether it exited 0."""
        body = {"Cmd": list(command), "AttachStdout": True, "AttachStderr": True}
        path = f"containers/{quoted(name)}/exec"
        try:
            made = await self._http.json("POST", path, WRITE_SECONDS, body=body)
            path = f"exec/{made['Id']}"
            await self._bridge.call(self._run, f"{path}/start")
            while True:
                state = await self._http.json("GET", f"{path}/json", READ_SECONDS)
                if not state["Running"]:
                    return bool(state["ExitCode"] == 0)
                await trio.sleep(POLL_SECONDS)
        except Refused:
            return False  # not running, gone, or no such command in it

    async def _run(self, path: str) -> None:
        body = {"Detach": False, "Tty": False}
        async with (
            self._rare.stream("POST", path, _EXEC_SECONDS, body=body) as output,
            asyncio.timeout(_EXEC_SECONDS),
        ):
            async for _ in output.content.iter_any():
                pass  # its output is nobody's, and its end is the command's
