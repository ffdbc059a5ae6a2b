"""Deliver webhooks over HTTP."""

import contextlib

import httpx
import trio

from runnerhub.sim.github.core import Core
from runnerhub.sim.github.hooks import Delivery

ANSWER_SECONDS = 10.0
_AT_ONCE = 32
_MOST_KEPT = 2000


class Sender:
    """Send deliveries, each in a task of its own, and note what became of them.

    Those about the same thing go one after another, as long as none is held back on purpose.

    Args:
        client: sends; a test may give one that ends in an application in the same process.
    """

    def __init__(self, core: Core, nursery: trio.Nursery, client: httpx.AsyncClient) -> None:
        self._core = core
        self._nursery = nursery
        self._client = client
        self._turns = trio.CapacityLimiter(_AT_ONCE)
        self._latest: dict[tuple[int, str], trio.Event] = {}

    def send(self, delivery: Delivery, seconds: float) -> None:
        """Send a delivery after some seconds, and do not wait for it."""
        if seconds:
            self._nursery.start_soon(self._send_late, delivery, seconds)
            return
        about = (delivery.hook.id, delivery.subject)
        before, done = self._latest.get(about), trio.Event()
        self._latest[about] = done
        self._nursery.start_soon(self._send_in_turn, delivery, before, done)

    async def _send_in_turn(
        self, delivery: Delivery, before: trio.Event | None, done: trio.Event
    ) -> None:
        if before is not None:
            await before.wait()
        await self._send(delivery)
        done.set()
        about = (delivery.hook.id, delivery.subject)
        if self._latest.get(about) is done:
            del self._latest[about]

    async def _send_late(self, delivery: Delivery, seconds: float) -> None:
        await trio.sleep(seconds)
        await self._send(delivery)

    async def _send(self, delivery: Delivery) -> None:
        async with self._turns:
            began = self._core.now()
            await self._post(delivery)
            delivery.duration = round(self._core.now() - began, 3)
            delivery.hook.last = (delivery.status_code, delivery.status)

    async def _post(self, delivery: Delivery) -> None:
        delivery.status, delivery.status_code = "timed out", 504
        with contextlib.suppress(httpx.TimeoutException), trio.move_on_after(ANSWER_SECONDS):
            try:
                answer = await self._client.post(
                    delivery.hook.url, content=delivery.body, headers=delivery.headers()
                )
            except httpx.TimeoutException:
                raise
            except (httpx.HTTPError, httpx.InvalidURL, OSError):
                delivery.status, delivery.status_code = "failed to connect to host", 502
                return
            delivery.status_code = answer.status_code
            delivery.status = (
                "OK" if answer.is_success else f"Invalid HTTP Response: {answer.status_code}"
            )
            delivery.response_headers = dict(answer.headers)
            delivery.response_body = answer.text[:_MOST_KEPT]
