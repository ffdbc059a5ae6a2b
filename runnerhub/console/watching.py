"""The commands that only look."""

import heapq
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import trio

from runnerhub.console.desk import Desk
from runnerhub.console.folding import Folding, Row
from runnerhub.console.protocol import ConsoleError
from runnerhub.runtime.survey import Pace, Place, find, survey

Send = Callable[[dict[str, Any]], Awaitable[None]]
Result = dict[str, Any]

ROWS_PER_PART = 128
MOST_ROWS = 20_000
MOST_NAMES = 50


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
    pace = Pace()
    before, since = await _counts(desk, pace), trio.current_time()
    looks = 0
    while True:
        await trio.sleep(args["interval"])
        before, since, part = await _look(desk, before, since, args, pace)
        await send(part)
        pace.restart()
        looks += 1
        if looks == args["count"]:
            return {"looks": looks}


Counts = dict[Any, tuple[int, float]]


async def _counts(desk: Desk, pace: Pace) -> Counts:
    pace.restart()
    counts: Counts = {}
    for ref in desk.root.registry:
        counts[ref] = (ref.received, ref.handling_seconds)
        await pace.breathe()
    return counts


async def _look(
    desk: Desk, before: Counts, since: float, args: dict[str, Any], pace: Pace
) -> tuple[Counts, float, dict[str, Any]]:
    pace.restart()
    counts: Counts = {}
    order = {"messages": "messages", "time": "handling_seconds", "waiting": "waiting"}[args["by"]]
    busiest = list[tuple[float, str, Row]]()
    messages, spent = 0, 0.0
    for ref in desk.root.registry:
        received, seconds = counts[ref] = (ref.received, ref.handling_seconds)
        old = before.get(ref, (0, 0.0))
        row: Row = {
            "name": ref.name,
            "kind": ref.kind,
            "messages": received - old[0],
            "handling_seconds": round(seconds - old[1], 6),
            "waiting": ref.waiting,
        }
        if row["messages"] or row["waiting"]:
            messages += received - old[0]
            spent += seconds - old[1]
            heapq.heappush(busiest, (row[order], ref.name, row))
            if len(busiest) > args["limit"]:
                heapq.heappop(busiest)
        await pace.breathe()
    now = trio.current_time()
    part = {
        "seconds": round(now - since, 3),
        "actors": len(counts),
        "messages": messages,
        "handling_seconds": round(spent, 6),
        "rows": [row for _, _, row in sorted(busiest, key=lambda each: each[:2], reverse=True)],
    }
    return counts, now, part
