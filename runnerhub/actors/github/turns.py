"""A turn in a bucket: where a caller waits for its permit, and what it owes for it."""

import secrets
from dataclasses import dataclass
from typing import Any

import trio

from runnerhub.actors.github.bucket import BucketActor
from runnerhub.actors.github.counters import NodeCounters
from runnerhub.actors.github.desk import Desk
from runnerhub.actors.github.messages import Admit, Settle, Withdraw, bucket_actor_name
from runnerhub.model.budget import Bucket
from runnerhub.model.permit import Settlement
from runnerhub.ports.github import GitHubUnavailable, RateLimited, Request
from runnerhub.runtime import (
    ActorDied,
    ActorRef,
    AskTimeout,
    ChildSpec,
    MailboxFull,
    NameTaken,
    ReplyTo,
    Supervisor,
)

MAILBOX = 4096
AGAIN_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Turn:
    """A permit, which its holder settles, whatever came of the call."""

    permit: str
    bucket_actor: ActorRef[Any]

    def settle(self, done: Settlement) -> None:
        """Tell what came of it. A permit that is never settled expires."""
        tell_or_not(self.bucket_actor, Settle(done))


class Turns:
    """Let callers wait in the actor of their bucket, which is started when it is first needed.

    Args:
        desk: of the gateway.
        counters: this node's.
        buckets: the supervisor under which the actors live.
    """

    def __init__(self, desk: Desk, counters: NodeCounters, buckets: Supervisor) -> None:
        self._desk = desk
        self._counters = counters
        self._buckets = buckets
        self._opening = trio.Lock()

    async def take(self, bucket: Bucket, request: Request, give_up_at: float) -> Turn:
        """Wait for a permit.

        Cancelling it withdraws the request, or gives the permit back.

        Args:
            bucket: whose.
            request: what for.
            give_up_at: absolute, on trio's clock.

        Raises:
            RateLimited: none in time, or too many wait.
            GitHubUnavailable: the bucket has no actor just now.
        """
        asked_at = trio.current_time()
        while True:
            ref = await self._actor(bucket)
            permit = secrets.token_hex(8)
            taken = False

            def admit(reply: ReplyTo[None], permit: str = permit) -> Admit:
                free = request.path == "/rate_limit"
                method, kind, priority = request.method, request.kind, request.priority
                return Admit(permit, method, kind, priority, free, asked_at, reply)

            try:
                await ref.ask(admit, max(0.0, give_up_at - trio.current_time()))
                taken = True
            except AskTimeout:
                raise self._limited(bucket, request) from None
            except MailboxFull:
                raise RateLimited("full", 1.0) from None
            except ActorDied:
                await trio.sleep(AGAIN_SECONDS)
                continue
            finally:
                if not taken:
                    tell_or_not(ref, Withdraw(permit))
            self._desk.statistics.note_wait(request.priority, trio.current_time() - asked_at)
            return Turn(permit, ref)

    def _limited(self, bucket: Bucket, request: Request) -> RateLimited:
        now = trio.current_time()
        why, until = self._desk.state(bucket).blocked.get(request.priority, ("turn", now))
        return RateLimited(why, max(1.0, until - now))

    async def _actor(self, bucket: Bucket) -> ActorRef[Any]:
        name = bucket_actor_name(bucket)
        registry = self._desk.registry
        if registry is None:
            raise GitHubUnavailable("the gateway has not started", sent=False)
        async with self._opening:
            ref = registry.whereis(name)
            if ref is None:
                actor = BucketActor(self._desk.options, self._counters, self._desk.state(bucket))
                spec = ChildSpec(name, actor.run, kind="github-bucket", mailbox_size=MAILBOX)
                try:
                    ref = await self._buckets.start_child(spec)
                except (ActorDied, NameTaken) as error:
                    # It is being restarted, or the whole family is.
                    raise GitHubUnavailable(f"{name}: {error}", sent=False) from error
            return ref


def tell_or_not(ref: ActorRef[Any], message: object) -> bool:
    """Tell an actor that may be gone, or full; say whether it was told."""
    try:
        ref.tell(message)
    except (ActorDied, MailboxFull):
        return False
    return True
