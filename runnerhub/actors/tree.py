"""The tree.

    root            rest_for_one: whoever falls takes those that build on it along
    ├─ (stores)     given by the service: embedded servers, the ledger's and the queue's pools
    ├─ leases       which hosts this node owns, and until when it may trust that
    ├─ hosts        one_for_one: an actor per Docker host: events, health, sweep; and one that
    │               keeps sandboxes prepared there, where that is asked for
    ├─ jobs         one_for_one, dynamic: an actor per attempt, never restarted blindly
    ├─ recovery     the foreman: every attempt on a host of ours has an actor
    ├─ intake       accepts jobs together
    ├─ keeper       reconciles, expires, prunes
    ├─ dispatcher   queue and free slots to attempts
    └─ (doors)      given by the service: the API, the console

A restart of `leases` restarts all below it. Job actors are then cancelled, which detaches them:
their sandboxes run on, and recovery adopts them.
"""

from collections.abc import Iterator, Sequence

from runnerhub.actors.dispatcher import Dispatcher
from runnerhub.actors.foreman import Foreman
from runnerhub.actors.host import HostActor
from runnerhub.actors.images import Images
from runnerhub.actors.intake import Intake
from runnerhub.actors.keeper import Keeper
from runnerhub.actors.leases import LeaseKeeper
from runnerhub.actors.messages import host_actor_name
from runnerhub.actors.preparer import Preparer
from runnerhub.actors.world import HostState, World
from runnerhub.model.kit import recipes
from runnerhub.runtime import ChildSpec, RestartIntensity, Strategy, Supervisor
from runnerhub.runtime.spec import AnySpec

INTAKE_ROOM = 2048


def build_tree(
    world: World, stores: Sequence[AnySpec] = (), doors: Sequence[AnySpec] = ()
) -> Supervisor:
    """Build the root supervisor.

    Args:
        world: ports, settings and hosts.
        stores: children to start first, which open what `world` stands on.
        doors: children to start last, and to stop first.
    """
    images = {name: Images(host.engine, host.pulling) for name, host in world.hosts.items()}
    hosts = Supervisor(
        "hosts",
        [spec for host in world.hosts.values() for spec in _host(world, host, images[host.name])],
        intensity=RestartIntensity(10, 60.0),
    )
    jobs = Supervisor("jobs")
    foreman = Foreman(world, jobs, images)
    return Supervisor(
        "root",
        [
            *stores,
            ChildSpec("leases", LeaseKeeper(world).run, kind="leases", shutdown=2.0),
            hosts.spec(),
            jobs.spec(),
            ChildSpec("recovery", foreman.run, kind="recovery", shutdown=2.0),
            ChildSpec("intake", Intake(world).run, kind="intake", mailbox_size=INTAKE_ROOM),
            ChildSpec("keeper", Keeper(world).run, kind="keeper", shutdown=2.0),
            ChildSpec("dispatcher", Dispatcher(world, foreman).run, kind="dispatcher"),
            *doors,
        ],
        strategy=Strategy.REST_FOR_ONE,
        intensity=RestartIntensity(3, 60.0),
    )


def _host(world: World, host: HostState, images: Images) -> Iterator[AnySpec]:
    yield ChildSpec(host_actor_name(host.name), HostActor(world, host).run, kind="host")
    if recipes(world.settings.pools, host.holders):
        preparer = Preparer(world, host, images)
        yield ChildSpec(f"preparer:{host.name}", preparer.run, kind="preparer", shutdown=5.0)
