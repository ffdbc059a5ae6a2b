"""The commands that change something: restart an actor, drain a host."""

from dataclasses import asdict
from typing import Any

from runnerhub.console.desk import Desk
from runnerhub.console.protocol import ConsoleError
from runnerhub.console.watching import Result, Send, place_of
from runnerhub.ports.errors import LedgerUnavailable
from runnerhub.runtime import ActorError, Restart
from runnerhub.runtime.survey import Pace


async def restart(desk: Desk, args: dict[str, Any], send: Send) -> Result:
    """Stop an actor and start it again, with those that its supervisor restarts along.

    A guest may be cut off by it, for the console is an actor too; the restart goes on.
    """
    name = args["actor"]
    place = await place_of(desk, name, Pace())
    supervisor, child = place.supervisor, place.child
    if supervisor is None or child is None:
        raise ConsoleError(f"{name} is the whole tree; restart the process instead")
    if child.spec.restart is Restart.TEMPORARY:
        raise ConsoleError(f"{name} is temporary: its supervisor starts it once, and never again")
    group = [member.spec.name for member in supervisor.group(child)]
    await send({"restarting": group})
    try:
        await supervisor.restart_child(name)
    except ActorError as error:
        raise ConsoleError(f"{name} did not come back: {error}") from None
    return {"restarted": group}


async def drain(desk: Desk, args: dict[str, Any], send: Send, *, drained: bool) -> Result:
    """Let a host take no more jobs, or take them again."""
    del send
    name = args["host"]
    try:
        known = await desk.hub.set_drained(name, drained=drained)
    except LedgerUnavailable as error:
        raise ConsoleError(f"the ledger cannot be written just now: {error}") from None
    if not known:
        raise ConsoleError(f"there is no host {name}")
    host = next(each for each in desk.hub.hosts() if each.name == name)
    return {"host": asdict(host)}
