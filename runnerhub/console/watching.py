"""The commands that only look."""

import heapq
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import trio

from runnerhub.console.desk import Desk
from runnerhub.console.folding import Folding, Row
from runnerhub.console.protocol import ConsoleError
from runnerhub.runtime.registry import AnyRef
from runnerhub.runtime.survey import Pace, Place, find, survey

Send = Callable[[dict[str, Any]], Awaitable[None]]
Result = dict[str, Any]

ROWS_PER_PART = 128
MOST_ROWS = 20_000
MOST_NAMES = 50
ORDER = {"messages": "messages", "time": "handling_seconds", "waiting": "waiting"}


async def place_of(desk: Desk, name: str, pace: Pace) -> Place:
    """Return where an actor stands.

    Raises:
        ConsoleError: there is none of this name.
    """
    place = await find(desk.root, name, pace)
    if place is None:
        raise ConsoleError(f"there is no actor {name}; `tree` shows them")
    return place


async def tree(desk: Desk, args: dict[str, Any], send: Send) -> Result:
    """Send the tree as rows, parents first; large families folded unless `all`."""
    pace, folding = Pace(), Folding(everything=args["all"])
    start = await place_of(desk, args["actor"], pace) if args["actor"] else None
    sent, rows = 0, list[Row]()
    async with aclosing(survey(desk.root, pace, start)) as places:
        async for place in places:
            rows += folding.add(place.level, place.picture(), trio.current_time())
            if len(rows) >= ROWS_PER_PART:
                sent += len(rows)
                await send({"rows": rows})
                pace.restart()
                rows = []
            if sent + len(rows) >= MOST_ROWS:
                break
    rows += folding.end()
    await send({"rows": rows})
    return {
        "actors": folding.actors,
        "rows_sent": sent + len(rows),
        "truncated": sent + len(rows) >= MOST_ROWS,
    }


async def names(desk: Desk, args: dict[str, Any], send: Send) -> Result:
    """Return at most 50 names that begin so, of living actors, of hosts or of running jobs."""
    del send
    prefix, of = args["prefix"] or "", args["of"]
    if of == "host":
        hosts = [host.name for host in desk.hub.hosts() if host.name.startswith(prefix)]
        return {"names": hosts[:MOST_NAMES]}
    before = desk.job_actor("") if of == "job" else ""
    pace, found = Pace(), list[str]()
    for ref in desk.root.registry:
        if ref.name.startswith(before + prefix):
            found.append(ref.name[len(before) :])
            if len(found) == MOST_NAMES:
                break
        await pace.breathe()
    return {"names": sorted(found)}


async def top(desk: Desk, args: dict[str, Any], send: Send) -> Result:
    """Send, again and again, who handled most since the look before."""
    pace, looks = Pace(), 0
    before, since = await _counts(desk, pace), trio.current_time()
    while True:
        await trio.sleep(args["interval"])
        pace.restart()
        before, part = await _look(desk, before, args, pace)
        now = trio.current_time()
        await send({"seconds": round(now - since, 3), **part})
        since = now
        looks += 1
        if looks == args["count"]:
            return {"looks": looks}


@dataclass(slots=True)
class _Counts:
    """What every actor had taken, and for how long handled it, at the last look.

    Numbers by actor, and no object for each: see `survey` on the garbage collector.
    """

    taken: dict[AnyRef, int] = field(default_factory=dict)
    seconds: dict[AnyRef, float] = field(default_factory=dict)

    def since(self, ref: AnyRef, earlier: "_Counts") -> tuple[int, float]:
        """Note an actor; return what it has taken, and for how long, since an earlier look."""
        taken = self.taken[ref] = ref.received
        seconds = self.seconds[ref] = ref.handling_seconds
        return taken - earlier.taken.get(ref, 0), seconds - earlier.seconds.get(ref, 0.0)


async def _counts(desk: Desk, pace: Pace) -> _Counts:
    counts, nothing = _Counts(), _Counts()
    for ref in desk.root.registry:
        counts.since(ref, nothing)
        await pace.breathe()
    return counts


async def _look(
    desk: Desk, before: _Counts, args: dict[str, Any], pace: Pace
) -> tuple[_Counts, dict[str, Any]]:
    counts = _Counts()
    busiest = list[tuple[float, str, Row]]()
    messages, spent = 0, 0.0
    for ref in desk.root.registry:
        taken, seconds = counts.since(ref, before)
        messages += taken
        spent += seconds
        if taken or ref.waiting:
            row: Row = {
                "name": ref.name,
                "kind": ref.kind,
                "messages": taken,
                "handling_seconds": round(seconds, 6),
                "waiting": ref.waiting,
            }
            heapq.heappush(busiest, (row[ORDER[args["by"]]], ref.name, row))
            if len(busiest) > args["limit"]:
                heapq.heappop(busiest)
        await pace.breathe()
    return counts, {
        "actors": len(counts.taken),
        "messages": messages,
        "handling_seconds": round(spent, 6),
        "rows": [row for _, _, row in sorted(busiest, key=lambda each: each[:2], reverse=True)],
    }
