"""Containers: created, started, looked at, waited for, ended, removed."""

import math

import trio

from runnerhub.sim.channel import Pulled
from runnerhub.sim.container import SimContainer
from runnerhub.sim.refusals import WrongState
from runnerhub.sim.wire import answers
from runnerhub.sim.wire.bodies import container_spec
from runnerhub.sim.wire.calls import Answer, Call
from runnerhub.sim.wire.filters import Filters, by_label, matches, parse_filters

DONE = Answer(204)
# What ends a process 1 that handles no signals.
_DEADLY = frozenset({"", "KILL", "SIGKILL", "9"})


async def create(call: Call) -> Answer:
    """POST /containers/create."""
    spec = container_spec(call.request.query.get("name", ""), call.json())
    made = await call.engine.create_container(spec)
    return Answer(201, {"Id": made, "Warnings": []})


async def start(call: Call) -> Answer:
    """POST /containers/NAME/start."""
    ran = (found := call.engine.world.find(call.name)) is not None and found.is_running
    await call.engine.start_container(call.name)
    return Answer(304) if ran else DONE


async def inspect(call: Call) -> Answer:
    """GET /containers/NAME/json."""
    await call.engine.begin("inspect_container")
    world = call.engine.world
    return Answer(200, answers.inspected(world, world.existing(call.name)))


async def listing(call: Call) -> Answer:
    """GET /containers/json."""
    await call.engine.begin("containers")
    world, request = call.engine.world, call.request
    filters = parse_filters(request.query.get("filters"))
    with_ended = request.flag("all") or "status" in filters
    found = [
        answers.listed(world, container)
        for container in reversed(world.containers.values())
        if (with_ended or container.is_running) and _passes(container, filters)
    ]
    limit = int(request.number("limit", 0))
    return Answer(200, found[:limit] if limit > 0 else found)


def _passes(container: SimContainer, filters: Filters) -> bool:
    spec = container.spec
    return matches(
        filters,
        {
            "label": by_label(spec.labels),
            "name": lambda wanted: wanted.strip("^/$") in spec.name,
            "id": container.container_id.startswith,
            "status": lambda wanted: container.status == wanted,
            "ancestor": lambda wanted: spec.image in (wanted, f"{wanted}:latest"),
            "network": lambda wanted: wanted in container.networks,
            "exited": lambda wanted: container.has_ended and str(container.exit_code) == wanted,
        },
    )


async def wait(call: Call) -> Answer | None:
    """POST /containers/NAME/wait: answers at once, and says the exit code when there is one."""
    await call.engine.begin("wait_container")
    world, generation = call.engine.world, call.engine.world.generation
    container = world.existing(call.name)
    condition = call.request.query.get("condition", "not-running")
    before = container.started_at if container.has_ended else -1.0

    def code() -> int | float:
        world.check(generation)
        if condition == "removed":
            done = container.removed
        elif condition == "next-exit":
            done = container.has_ended and container.started_at != before
        else:
            done = not container.is_running
        if done:
            return container.exit_code
        return container.ends_at if container.is_running else math.inf

    async with call.chunks() as out:
        exit_code = await Pulled[int](code, container.changes).receive()
        await out.json({"Error": None, "StatusCode": exit_code})
    return None


async def stop(call: Call) -> Answer:
    """POST /containers/NAME/stop."""
    container = call.engine.world.existing(call.name)
    if not container.is_running:
        return Answer(304)
    grace = call.request.number("t", 10)
    call.engine.world.emit(container, "kill", {"signal": "15"})
    await call.engine.stop_container(call.name, grace)
    call.engine.world.emit(container, "stop")
    return DONE


async def restart(call: Call) -> Answer:
    """POST /containers/NAME/restart."""
    if call.engine.world.existing(call.name).is_running:
        await stop(call)
    await call.engine.start_container(call.name)
    return DONE


async def kill(call: Call) -> Answer:
    """POST /containers/NAME/kill: only KILL ends what runs here."""
    world, signal = call.engine.world, call.request.query.get("signal", "")
    await call.engine.begin("kill_container")
    container = world.existing(call.name)
    if not container.is_running:
        raise WrongState(
            f"Cannot kill container: {call.name}: Container {container.container_id} is not running"
        )
    world.emit(container, "kill", {"signal": signal or "9"})
    if signal.upper() in _DEADLY:
        world.kill(container)
        world.settle()
    return DONE


async def remove(call: Call) -> Answer:
    """DELETE /containers/NAME."""
    world, forced = call.engine.world, call.request.flag("force")
    container = world.existing(call.name)
    if container.is_running and not forced:
        raise WrongState(
            f"You cannot remove a running container {container.container_id}. Stop the container "
            "before attempting removal or force remove"
        )
    if not await call.engine.remove_container(container.container_id):
        world.existing(call.name)  # somebody was faster
    return DONE


async def update(call: Call) -> Answer:
    """POST /containers/NAME/update."""
    body = call.json()
    await call.engine.limit_container(
        call.name,
        cpus=body["NanoCpus"] / 1e9 if body.get("NanoCpus") else None,
        memory_mb=None,
        pids=None,
    )
    return Answer(200, {"Warnings": []})


async def nothing(call: Call) -> Answer:
    """Do nothing to a container that must exist, such as resizing its terminal."""
    call.engine.world.existing(call.name)
    await trio.lowlevel.checkpoint()
    return Answer(200, None)


async def prune(call: Call) -> Answer:
    """POST /containers/prune."""
    world = call.engine.world
    filters = parse_filters(call.request.query.get("filters"))
    gone = [c for c in world.containers.values() if not c.is_running and _passes(c, filters)]
    for container in gone:
        await call.engine.remove_container(container.container_id)
    ids = [container.container_id for container in gone]
    return Answer(200, {"ContainersDeleted": ids, "SpaceReclaimed": 0})
