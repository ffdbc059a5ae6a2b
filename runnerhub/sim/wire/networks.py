"""Networks. Those that every engine has are named in listings, and hold nothing here."""

from runnerhub.sim.network import SimNetwork, free_subnet
from runnerhub.sim.refusals import Forbidden, NotFound
from runnerhub.sim.wire import answers
from runnerhub.sim.wire.bodies import network_spec
from runnerhub.sim.wire.calls import Answer, Call
from runnerhub.sim.wire.filters import by_label, matches, parse_filters

_OWN = ("bridge", "host", "none")


def _existing(call: Call) -> SimNetwork:
    found = call.engine.world.find_network(call.name)
    if found is None:
        raise NotFound(f"network {call.name} not found")
    return found


async def create(call: Call) -> Answer:
    """POST /networks/create."""
    world, body = call.engine.world, call.json()
    asked = any(pool.get("Subnet") for pool in (body.get("IPAM") or {}).get("Config") or ())
    spec = network_spec(body, "" if asked else free_subnet(world.networks.values()))
    if spec.name in _OWN:
        raise Forbidden(f"operation is not permitted on predefined {spec.name} network")
    await call.engine.create_network(spec)
    made = world.networks.get(spec.name)
    return Answer(201, {"Id": made.network_id if made else "", "Warning": ""})


async def remove(call: Call) -> Answer:
    """DELETE /networks/NAME."""
    if call.name in _OWN:
        raise Forbidden(f"{call.name} is a pre-defined network and cannot be removed")
    network = _existing(call)
    if any(container.is_running for container in call.engine.members(network.spec.name)):
        raise Forbidden(
            f"error while removing network: network {network.spec.name} id {network.network_id} "
            "has active endpoints"
        )
    if not await call.engine.remove_network(network.spec.name):
        _existing(call)  # somebody was faster
    return Answer(204)


async def inspect(call: Call) -> Answer:
    """GET /networks/NAME."""
    await call.engine.begin("networks")
    world = call.engine.world
    if call.name in _OWN:
        return Answer(200, answers.own_network(world, call.name))
    network = _existing(call)
    return Answer(200, answers.network(world, network, call.engine.members(network.spec.name)))


async def listing(call: Call) -> Answer:
    """GET /networks."""
    await call.engine.begin("networks")
    world = call.engine.world
    filters = parse_filters(call.request.query.get("filters"))
    found = [answers.own_network(world, name) for name in _OWN]
    found += [answers.network(world, network, []) for network in world.networks.values()]

    def passes(network: dict[str, str]) -> bool:
        name, identity, driver = network["Name"], network["Id"], network["Driver"]
        kind = "builtin" if name in _OWN else "custom"
        return matches(
            filters,
            {
                "label": by_label(network["Labels"]),  # type: ignore[arg-type]
                "name": lambda wanted: wanted in name,
                "id": identity.startswith,
                "driver": lambda wanted: wanted == driver,
                "type": lambda wanted: wanted == kind,
            },
        )

    return Answer(200, [network for network in found if passes(network)])


async def connect(call: Call) -> Answer:
    """POST /networks/NAME/connect."""
    await call.engine.begin("connect")
    name = _existing(call).spec.name
    container = call.engine.world.existing(str(call.json().get("Container", "")))
    if name in container.networks:
        raise Forbidden(
            f"endpoint with name {container.spec.name} already exists in network {name}"
        )
    container.networks.append(name)
    return Answer(200, None)


async def disconnect(call: Call) -> Answer:
    """POST /networks/NAME/disconnect."""
    await call.engine.begin("disconnect")
    name = _existing(call).spec.name
    container = call.engine.world.existing(str(call.json().get("Container", "")))
    if name not in container.networks:
        raise Forbidden(f"container {container.container_id} is not connected to network {name}")
    container.networks.remove(name)
    return Answer(200, None)
