"""What goes wrong, by a seed.

Whether a fault strikes is decided by the seed, the kind of fault, and a key that names the
occasion: the job and action of a webhook, or the how-manieth call of a route. So the answer does
not depend on what else goes on at the same time, and a run can be repeated.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Kind = Literal["error", "lost", "slow", "forbidden", "too_many"]


class RestFaults(BaseModel):
    """Shares of calls, 0 to 1.

    `error`: 502, nothing done. `lost`: done, and the connection dropped. `slow`: answered after
    `slow_seconds`. `forbidden`, `too_many`: 403 and 429 with `retry_after`, nothing done.
    """

    model_config = ConfigDict(extra="forbid")
    error: Share = 0.0
    lost: Share = 0.0
    slow: Share = 0.0
    forbidden: Share = 0.0
    too_many: Share = 0.0
    slow_seconds: float = Field(3.0, ge=0)
    retry_after: int = Field(60, ge=0)


class WebhookFaults(BaseModel):
    """Shares of deliveries.

    `dropped`: not sent, and listed as failed. `vanished`: neither sent nor listed. `doubled`: sent
    twice. `reordered`: held back up to `delay_seconds`.
    """

    model_config = ConfigDict(extra="forbid")
    dropped: Share = 0.0
    vanished: Share = 0.0
    doubled: Share = 0.0
    reordered: Share = 0.0
    delay_seconds: float = Field(5.0, ge=0)


class RunnerFaults(BaseModel):
    """`crosswise`: a runner is given any job that it may take, not the oldest.

    `ghost`: an ephemeral runner stays registered after its job.
    """

    model_config = ConfigDict(extra="forbid")
    crosswise: Share = 0.0
    ghost: Share = 0.0


class FaultPlan(BaseModel):
    """All of it. A file holds this as TOML."""

    model_config = ConfigDict(extra="forbid")
    seed: int = 0
    rest: RestFaults = RestFaults()
    scale_sets: RestFaults = RestFaults()
    webhooks: WebhookFaults = WebhookFaults()
    runners: RunnerFaults = RunnerFaults()


@dataclass(slots=True)
class Ordered:
    """A fault for the next calls whose method and route contain a text."""

    match: str
    kind: Kind
    count: int


class Faults:
    """Decide what strikes.

    Attributes:
        plan: the shares.
        ordered: what strikes the next calls for certain, oldest first.
        struck: how often each kind did.
    """

    def __init__(self, plan: FaultPlan | None = None) -> None:
        self.plan = plan or FaultPlan()
        self.ordered: list[Ordered] = []
        self.struck: Counter[str] = Counter()
        self._calls: Counter[str] = Counter()

    def share(self, kind: str, key: str) -> float:
        """Return a number from 0 up to 1, by the seed and the occasion."""
        digest = hashlib.blake2b(f"{self.plan.seed}:{kind}:{key}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") / 2**64

    def strikes(self, kind: str, share: float, key: str) -> bool:
        """Say whether a fault strikes on an occasion, and count it."""
        if share <= 0 or self.share(kind, key) >= share:
            return False
        self.struck[kind] += 1
        return True

    def of_call(self, route: str, shares: RestFaults) -> frozenset[Kind]:
        """Return what strikes a call, such as `GET /repos/{owner}/{repo}`."""
        for order in self.ordered:
            if order.match in route:
                order.count -= 1
                if order.count <= 0:
                    self.ordered.remove(order)
                self.struck[order.kind] += 1
                return frozenset({order.kind})
        key = f"{route}#{self._calls[route]}"
        self._calls[route] += 1
        kinds: tuple[Kind, ...] = ("error", "lost", "slow", "forbidden", "too_many")
        return frozenset(
            kind for kind in kinds if self.strikes(kind, float(getattr(shares, kind)), key)
        )
