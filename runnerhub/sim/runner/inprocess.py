"""What `program --steps fake` does, as a coroutine: on any clock, without a container.

    async with httpx.AsyncClient(transport=sim.transport) as client:
        await run_runner(blob, client)

As what simulated containers do, see `sim.programs`:

    async with running_programs(JIT_VARIABLE, as_program(client)) as programs:
        engine = SimEngine("h1", programs=programs)
"""

from collections.abc import Callable
from contextlib import nullcontext, suppress
from enum import StrEnum
from typing import Any

import httpx
import trio

from runnerhub.sim.programs import Program, Running
from runnerhub.sim.runner.program.hub import Gone, Taken, read_blob
from runnerhub.sim.runner.program.pretending import Plan, plan

JIT_VARIABLE = "ACTIONS_RUNNER_INPUT_JITCONFIG"
_POLL_SECONDS, _ANSWER_SECONDS = 50, 15.0
_PATIENCE_SECONDS, _LONGEST_PAUSE = 600.0, 10.0
_SESSION_TRIES, _SESSION_PAUSE = 15, 6.0


class Mood(StrEnum):
    """What a runner does before it has a job."""

    WELL = "well"
    ABSENT = "absent"  # it never registers, and stays
    IDLE = "idle"  # it registers, asks for nothing, and stays
    DEAD = "dead"  # it exits 1 before it has registered


def as_program(
    client: httpx.AsyncClient,
    *,
    seconds: float = 1.0,
    mood: Callable[[str], Mood] = lambda _: Mood.WELL,
) -> Program:
    """Return what a container does whose environment has a blob.

    Args:
        client: reaches the simulated GitHub; its base URL does not matter.
        seconds: how long a job runs whose name does not say.
        mood: what a runner of a name does before it has a job.
    """

    async def program(running: Running) -> int:
        blob = running.env[JIT_VARIABLE]
        return await run_runner(blob, client, running, seconds=seconds, mood=mood)

    return program


async def run_runner(
    blob: str,
    client: httpx.AsyncClient,
    running: Running | None = None,
    *,
    seconds: float = 1.0,
    mood: Callable[[str], Mood] = lambda _: Mood.WELL,
) -> int:
    """Register, take one job, pretend to run it, report it; return the exit code.

    Cancelling it is a SIGKILL: GitHub hears nothing of it. `running.ask_to_stop` a TERM.
    """
    here = running or Running({})
    try:
        url, name = read_blob(blob)
        feeling = mood(name)
        if feeling is Mood.DEAD:
            return 1
        if feeling is Mood.ABSENT:
            await trio.sleep_forever()
        return await _Runner(client, url, here, seconds).run(blob, asks=feeling is Mood.WELL)
    except (Gone, Taken, ValueError, trio.TooSlowError) as error:
        here.say(f"{error}\n".encode())
    return 0


class _Runner:
    def __init__(
        self, client: httpx.AsyncClient, url: str, running: Running, seconds: float
    ) -> None:
        self._client = client
        self._url = url
        self._running = running
        self._seconds = seconds
        self._session = ""

    async def run(self, blob: str, *, asks: bool) -> int:
        self._session = (await self._register(blob))["session"]
        if not asks:
            await trio.sleep_forever()
        order: dict[str, Any] = {}
        with self._running.until_asked_to_stop():
            while not order:
                path = f"message?wait={_POLL_SECONDS}"
                order = await self._ask("GET", path, wait=_POLL_SECONDS)
        if order:
            return await self._work(order)
        await self._ask("DELETE", "session")
        return 0

    async def _work(self, order: dict[str, Any]) -> int:
        chosen, path = plan(order["name"], self._seconds), f"jobs/{order['job_id']}"
        self._running.say(f"runs {order['name']}\n".encode())
        cancelled = await self._pretend(chosen, path)
        if not chosen.reports:
            if not chosen.stays:
                return 1
            await trio.sleep_forever()
        conclusion = "cancelled" if cancelled else chosen.conclusion
        step = {"number": 1, "name": "Pretend", "conclusion": conclusion}
        await self._ask("POST", f"{path}/steps", step)
        await self._ask("POST", f"{path}/finish", {"conclusion": conclusion})
        if chosen.stays:
            await trio.sleep_forever()
        return 0

    async def _pretend(self, chosen: Plan, path: str) -> bool:
        """Let the job's time pass with a heartbeat; return whether it was cancelled."""
        heeds = chosen.heeds_cancel and not chosen.stays
        stop = self._running.until_asked_to_stop() if heeds else nullcontext()
        with trio.move_on_after(chosen.seconds) as time, stop:
            await self._ask("POST", f"{path}/log", f"for {chosen.seconds:g} s\n")
            beat, cancelled = f"{path}/heartbeat?wait={_POLL_SECONDS}", False
            while not cancelled:
                cancelled = (await self._ask("POST", beat, wait=_POLL_SECONDS))["cancel"]
            if not chosen.heeds_cancel:
                await trio.sleep_forever()
        return not time.cancelled_caught

    async def _register(self, blob: str) -> dict[str, Any]:
        for _ in range(_SESSION_TRIES):
            with suppress(Taken):
                return await self._ask("POST", "register", {"encoded_jit_config": blob})
            await trio.sleep(_SESSION_PAUSE)
        raise Taken("another process stays online as this runner")

    async def _ask(
        self, method: str, path: str, body: object = None, wait: float = 0.0
    ) -> dict[str, Any]:
        """Ask as `program.hub.Hub.ask` does."""
        headers = {"authorization": f"Bearer {self._session}"} if self._session else {}
        given: dict[str, Any] = {"content": body} if isinstance(body, str) else {"json": body}
        pause = 0.2
        with trio.fail_after(_PATIENCE_SECONDS):
            while True:
                answer = None
                with suppress(httpx.TransportError):
                    answer = await self._client.request(
                        method,
                        self._url + path,
                        headers=headers,
                        timeout=_ANSWER_SECONDS + wait,
                        **given,
                    )
                if answer is not None and not answer.is_server_error:
                    break
                await trio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.NOT_FOUND):
            raise Gone(f"deregistered: {answer.text}")
        if answer.status_code == httpx.codes.CONFLICT:
            raise Taken(answer.text)
        if answer.is_error:
            raise ValueError(f"{method} {path}: {answer.status_code} {answer.text}")
        return dict(answer.json()) if answer.content else {}
