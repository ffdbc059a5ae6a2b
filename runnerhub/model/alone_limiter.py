"""The counters of a node that cannot see the others. Pure, as those in `limiter.py`.

It has two things to go by. Its *part* of what was left at the last contact: those of all nodes
together are no more than that, so each spends its own without asking. And what GitHub's answers
say is left, of which the others take as well: that is hearsay, and ages.

The part is for all classes, and may be nothing: it is counted from the most that the others could
have drawn before they were lost sight of. What they did not draw is still there, and is what the
strategies kept back for DISPATCH. So where the part is used up DISPATCH draws on the hearsay: one
call at a time, each of which brings newer.
"""

from dataclasses import dataclass, field

from runnerhub.model.budget import Bucket, Curve, DecayingRate
from runnerhub.model.limiter import POLL_SECONDS, SAME_WINDOW, BucketCount, Limiter
from runnerhub.model.permit import Answer, Demand, Reported, Settlement, Standing

HEARSAY_SECONDS = 10.0  # how long a node that is alone trusts what it was told last
DRAWN_FASTER = 2.0  # than of late, so much, others may draw what a node hears of only later


@dataclass(slots=True)
class _Hearsay:
    """What GitHub said last: how much is left for all nodes together, and how fast it falls."""

    remaining: int
    at: float
    falling: DecayingRate = field(default_factory=DecayingRate)

    def left_for(self, nodes: int, now: float) -> bool:
        """Whether one more call is there, though each other node begins one as well."""
        drawn = DRAWN_FASTER * self.falling.at(now) * (now - self.at)
        return self.remaining - drawn >= 2 * nodes


class AloneLimiter(Limiter):
    """The counters of a node that cannot see the others: it takes one part of `nodes`."""

    def __init__(self, nodes: int) -> None:
        super().__init__()
        self.nodes = nodes
        self._hearsay: dict[Bucket, _Hearsay] = {}

    def inherit(
        self,
        where: Bucket,
        last: Standing,
        resets: int,
        drawn: int,
        now: float,
        *,
        rate: float = 0.0,
        age: float = 0.0,
    ) -> None:
        """Take one part of what was left at the last contact.

        Args:
            where: the bucket.
            last: how it stood then, with `left` counted from now.
            resets: GitHub's time of its reset.
            drawn: the most that all may have drawn since.
            now: on this node's clock.
            rate: what all drew a second of late.
            age: seconds since the last contact.
        """
        credential, bucket = self._at(where, now)
        credential.silent_until = max(credential.silent_until, now + last.silent)
        if last.limit is None or last.limit < 0:
            bucket.limit = last.limit
            return
        bucket.limit = last.limit // self.nodes
        bucket.remaining = max(0, last.remaining - drawn) // self.nodes
        bucket.resets, bucket.reset_at = resets, now + last.left
        heard = self._hearsay[where] = _Hearsay(last.remaining, now - age)
        heard.falling.begin(rate, now)

    def acquire(self, demand: Demand, now: float) -> Answer:
        """Take a permit of this node's part, or for DISPATCH of what GitHub says is left.

        After a while of silence one call goes ahead, and the others wait for what it brings.
        """
        _, bucket = self._at(demand.bucket, now)
        heard = self._hearsay.get(demand.bucket)
        asks = demand.divided(self.nodes)
        if heard is None or not bucket.in_flight:
            if heard is not None and self._may_draw_on(heard, bucket, demand, now):
                bucket.remaining = max(1, bucket.remaining)
            return super().acquire(asks, now)
        if now - heard.at > HEARSAY_SECONDS or self._may_draw_on(heard, bucket, demand, now):
            standing = self.look(demand.bucket, demand.node, now)
            return Answer(granted=False, wait=POLL_SECONDS, why="unknown", standing=standing)
        return super().acquire(asks, now)

    def _may_draw_on(
        self, heard: _Hearsay, bucket: BucketCount, demand: Demand, now: float
    ) -> bool:
        used_up = bucket.remaining < 1 and not bucket.rolled
        critical = not demand.free and demand.curve == Curve()
        return used_up and critical and heard.left_for(self.nodes, now)

    def settle(self, done: Settlement, now: float) -> Standing:
        """Give a permit back and learn from the answer."""
        if done.reported is not None:
            self._hear(done.counted_in or done.bucket, done.reported.remaining, now)
        return super().settle(done, now)

    def _hear(self, where: Bucket, remaining: int, now: float) -> None:
        heard = self._hearsay.setdefault(where, _Hearsay(remaining, now))
        if remaining < heard.remaining:
            heard.falling.note(heard.remaining - remaining, now)
        heard.remaining, heard.at = remaining, now

    def _adopt(self, bucket: BucketCount, said: Reported, permit: str, now: float) -> None:
        del permit
        part = said.limit // self.nodes
        if bucket.limit is not None and bucket.resets == 0:
            bucket.resets = said.resets  # inherited before this node had an answer of its own
        if bucket.limit is None or bucket.limit < 0 or said.resets > bucket.resets + SAME_WINDOW:
            bucket.limit, bucket.resets, bucket.rolled = part, said.resets, False
            bucket.reset_at = now + said.left
            bucket.remaining = said.remaining // self.nodes - len(bucket.in_flight)
        least = margin(said.limit) if self.nodes > 1 else 0
        if said.resets >= bucket.resets - SAME_WINDOW and said.remaining < least:
            bucket.remaining = 0


def margin(limit: int) -> int:
    """Return how much a node that is alone leaves, for others spend the same budget unseen."""
    return max(100, limit // 50) if limit > 200 else limit // 2  # noqa: PLR2004 - small ones too
