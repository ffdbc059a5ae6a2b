"""Images: names that are there, and names that can be pulled."""

from typing import Any

from runnerhub.ports.errors import ImagePullFailed
from runnerhub.sim.events import SimEvent
from runnerhub.sim.refusals import BadParameter, NotFound
from runnerhub.sim.wire import about, answers
from runnerhub.sim.wire.bodies import image_name
from runnerhub.sim.wire.calls import Answer, Call, Chunks
from runnerhub.sim.wire.filters import matches, parse_filters

_LAYER_BYTES = 1 << 20


def _existing(call: Call) -> str:
    images, name = call.engine.images, image_name(call.name)
    if name in images:
        return name
    for image in images:
        identity = answers.image_id(image)
        if call.name and identity.removeprefix("sha256:").startswith(
            call.name.removeprefix("sha256:")
        ):
            return image
    raise NotFound(f"No such image: {name}")


async def listing(call: Call) -> Answer:
    """GET /images/json."""
    await call.engine.begin("images")
    filters = parse_filters(call.request.query.get("filters"))
    clock = call.engine.world.clock
    created = clock.unix_ns(clock.now()) // 10**9

    def passes(name: str) -> bool:
        return matches(
            filters, {"reference": lambda wanted: wanted in (name, name.rpartition(":")[0])}
        )

    names = sorted(filter(passes, call.engine.images))
    return Answer(200, [about.image(name, created) for name in names])


async def inspect(call: Call) -> Answer:
    """GET /images/NAME/json."""
    await call.engine.begin("has_image")
    clock = call.engine.world.clock
    return Answer(200, about.inspected_image(_existing(call), clock.text(clock.now())))


async def create(call: Call) -> Answer | None:
    """POST /images/create: a pull, told line by line; or an import, whose name alone counts."""
    query = call.request.query
    if query.get("fromSrc"):
        await _import(call, image_name(query.get("repo", ""), query.get("tag", "")))
        return None
    if not query.get("fromImage"):
        raise BadParameter("what image shall be pulled?")
    image = image_name(query["fromImage"], query.get("tag", ""))
    if image not in call.engine.registry:
        raise NotFound(
            f"pull access denied for {image.rpartition(':')[0]}, repository does not exist or may "
            "require 'docker login': denied: requested access to the resource is denied"
        )
    async with call.chunks() as out:
        await _pull(call, image, out)
    return None


async def _pull(call: Call, image: str, out: Chunks) -> None:
    identity = answers.image_id(image).removeprefix("sha256:")
    layer = identity[:12]

    async def say(status: str, **more: Any) -> None:  # noqa: ANN401
        await out.json({"status": status, **more})

    await say(f"Pulling from {image.rpartition(':')[0]}", id=image.rpartition(":")[2])
    known = image in call.engine.images
    if not known:
        await say("Pulling fs layer", progressDetail={}, id=layer)
    try:
        await call.engine.pull_image(image)
    except ImagePullFailed as failed:
        await out.json({"errorDetail": {"message": str(failed)}, "error": str(failed)})
        return
    if not known:
        whole = {"current": _LAYER_BYTES, "total": _LAYER_BYTES}
        await say("Downloading", progressDetail=whole, id=layer)
        await say("Pull complete", progressDetail={}, id=layer)
    await say(f"Digest: sha256:{identity}")
    new = "Image is up to date for" if known else "Downloaded newer image for"
    await say(f"Status: {new} {image}")
    _tell(call, "pull", image)


async def _import(call: Call, image: str) -> None:
    call.engine.images.add(image)
    _tell(call, "import", image)
    async with call.chunks() as out:
        await out.json({"status": answers.image_id(image)})


async def remove(call: Call) -> Answer:
    """DELETE /images/NAME."""
    await call.engine.begin("remove_image")
    image = _existing(call)
    call.engine.images.discard(image)
    _tell(call, "delete", image)
    return Answer(200, [{"Untagged": image}, {"Deleted": answers.image_id(image)}])


def _tell(call: Call, action: str, image: str) -> None:
    world = call.engine.world
    world.record(SimEvent(world.clock.now(), "image", action, image, image, {}, {}))
