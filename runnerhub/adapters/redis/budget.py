"""The counters of GitHub's rate limits in Redis: one script, so that every step is atomic."""

from collections.abc import Sequence

from runnerhub.adapters.redis.connection import RedisConnection
from runnerhub.model.budget import Bucket
from runnerhub.model.permit import Answer, Demand, Settlement, Standing, window_of

MICRO = 1_000_000


class RedisCounters:
    """The counters of all nodes.

    Args:
        connection: to the Redis that they share.
        prefix: of every key, such as `rh:CLUSTER:github`.
    """

    def __init__(self, connection: RedisConnection, prefix: str) -> None:
        self._script = connection.script("budget.lua")
        self._prefix = prefix

    async def acquire(self, demand: Demand) -> Answer:
        """Take a permit, or say how long to wait. Cancelling it may lose the permit."""
        args: list[str | int] = [
            "acquire",
            *_where(demand.bucket),
            demand.node,
            demand.permit,
            round(demand.expires * MICRO),
            demand.in_flight,
            int(demand.free),
            repr(demand.curve.base),
            repr(demand.curve.slope),
        ]
        for rate in demand.rates:
            interval, tolerance = round(rate.interval * MICRO), round(rate.tolerance * MICRO)
            args += [rate.key, interval, tolerance, rate.units]
        granted, wait, why, *standing = await self._script(self._prefix, args)
        return Answer(
            granted=bool(granted),
            wait=int(wait) / MICRO,
            why=why.decode(),
            standing=_standing(standing),
        )

    async def settle(self, done: Settlement) -> Standing:
        """Give a permit back and learn from the answer."""
        counted_in = done.counted_in or done.bucket
        said = done.reported
        after = "" if done.retry_after is None else round(done.retry_after * MICRO)
        args: list[str | int] = [
            "settle",
            *_where(done.bucket),
            done.permit,
            int(done.charged),
            int(done.answered),
            int(done.refused),
            after,
            *_where(counted_in)[1:],
        ]
        if said is None:
            args += ["", "", "", ""]
        else:
            args += [said.limit, said.remaining, said.resets, round(said.left * MICRO)]
        return _standing(await self._script(self._prefix, args))

    async def look(self, bucket: Bucket, node: str) -> Standing:
        """Return how a bucket stands, and let the node be seen."""
        return _standing(await self._script(self._prefix, ["look", *_where(bucket), node]))


def _where(bucket: Bucket) -> tuple[str, str, int]:
    return bucket.credential, bucket.resource, round(window_of(bucket.resource) * MICRO)


def _standing(found: Sequence[bytes]) -> Standing:
    limit, remaining, left, nodes, silent = found
    return Standing(
        int(limit) if limit else None,
        int(remaining),
        int(left) / MICRO,
        int(nodes),
        int(silent) / MICRO,
    )
