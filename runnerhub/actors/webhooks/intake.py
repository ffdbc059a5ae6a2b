"""The intake: deliveries that arrive together are made durable together."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
import trio

from runnerhub.actors.webhooks.desk import WebhookDesk
from runnerhub.ports.deliveries import (
    Deliveries,
    Delivery,
    DeliveryPage,
    DeliveryState,
    KeptDelivery,
)
from runnerhub.ports.errors import PortError, Unavailable
from runnerhub.ports.hub import Overloaded
from runnerhub.runtime import (
    ActorContext,
    ActorDied,
    ActorRef,
    AskTimeout,
    MailboxFull,
    ReplyTo,
)

log = structlog.get_logger(__name__)

INTAKE = "webhook-intake"
INTAKE_ROOM = 1024
BATCH = 256
# GitHub gives up after 10 s.
RECEIVE_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class ReceiveDelivery:
    """Make a delivery durable and tell whether it is new."""

    delivery: Delivery
    reply_to: ReplyTo[bool]


class WebhookIntake:
    """Receive in batches."""

    def __init__(self, desk: WebhookDesk) -> None:
        self._desk = desk

    async def run(self, ctx: ActorContext[ReceiveDelivery]) -> None:
        """Receive until stopped. What was answered is durable."""
        self._desk.registry = ctx.registry
        ctx.started()
        async for first in ctx:
            batch = [first]
            while len(batch) < BATCH:
                try:
                    batch.append(ctx.receive_nowait())
                except trio.WouldBlock:
                    break
            await self._receive(batch)

    async def _receive(self, batch: Sequence[ReceiveDelivery]) -> None:
        try:
            answers = await self._desk.deliveries.receive([each.delivery for each in batch])
        except PortError as error:
            if len(batch) > 1 and not isinstance(error, Unavailable):
                # One of them cannot be stored. It must not fail the others.
                for each in batch:
                    await self._receive([each])
                return
            for each in batch:
                each.reply_to.fail(error)
            return
        for each, new in zip(batch, answers, strict=True):
            each.reply_to.send(new)
        if any(answers):
            self._desk.arrived.notify()


class Reception:
    """Where the API brings deliveries: `ports.github_events.WebhookDoor`."""

    def __init__(self, desk: WebhookDesk) -> None:
        self._desk = desk

    async def receive(self, delivery: Delivery) -> bool:
        """Make a delivery durable; tell whether it is new."""
        registry = self._desk.registry
        if registry is None:
            raise Overloaded("webhooks cannot be taken yet")
        try:
            intake: ActorRef[ReceiveDelivery] = registry.ref(INTAKE)
            new: bool = await intake.ask(lambda r: ReceiveDelivery(delivery, r), RECEIVE_SECONDS)
        except MailboxFull:
            raise Overloaded("too many deliveries are being taken just now") from None
        except (AskTimeout, ActorDied):
            raise Overloaded("the delivery could not be made durable in time", 2) from None
        result = "accepted" if new else "duplicate"
        self._desk.statistics.note_delivery(delivery.event, result)
        return new

    async def page(
        self, state: DeliveryState | None, *, cursor: str | None, limit: int
    ) -> DeliveryPage:
        """List deliveries, newest first."""
        return await self._kept().page(state, cursor=cursor, limit=limit)

    async def requeue(self, seq: int, by: str) -> KeptDelivery | None:
        """Have a dead delivery tried again now; None when none is."""
        again = await self._kept().requeue(seq, by)
        if again is not None:
            self._desk.statistics.requeued += 1
            log.warning(
                "a dead delivery is tried again", action="webhook_requeued",
                delivery=again.guid, seq=seq, by=by,
            )  # fmt: skip
            self._desk.arrived.notify()
        return again

    def _kept(self) -> Deliveries:
        if self._desk.registry is None:
            raise Overloaded("the ledger is not open yet")
        return self._desk.deliveries

    def ignored(self, event: str) -> None:
        """Count a delivery that asks nothing of us."""
        self._desk.statistics.note_delivery(event, "ignored")

    def refused(self, why: str) -> None:
        """Count a request that was refused."""
        self._desk.statistics.refused[why] += 1

    def answered(self, seconds: float) -> None:
        """Note how long a delivery waited for its answer."""
        self._desk.statistics.answers.note(seconds)
