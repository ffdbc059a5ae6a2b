"""The tree.

    root            rest_for_one: whoever falls takes those that build on it along
    ├─ (stores)     given by the service: embedded servers, the ledger's and the queue's pools
    ├─ leases       which hosts this node owns, and until when it may trust that
    ├─ hosts        one_for_one: an actor per Docker host: events, health, sweep
    ├─ jobs         one_for_one, dynamic: an actor per attempt, never restarted blindly
    ├─ recovery     the foreman: every attempt on a host of ours has an actor
    ├─ intake       accepts jobs together
    ├─ keeper       reconciles, expires, prunes
    ├─ dispatcher   queue and free slots to attempts
    └─ (doors)      given by the service: the API

A restart of `leases` restarts all below it. Job actors are then cancelled, which detaches them:
their sandboxes run on, and recovery adopts them.
"""

from collections.abc import Sequence

from runnerhub.actors.dispatcher import Dispatcher
from runnerhub.actors.foreman import Foreman
from runnerhub.actors.host import HostActor
from runnerhub.actors.intake import Intake
from runnerhub.actors.keeper import Keeper
from runnerhub.actors.leases import LeaseKeeper
from runnerhub.actors.messages import host_actor_name
from runnerhub.actors.world import World
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
    hosts = Supervisor(
        "hosts",
        [
            ChildSpec(host_actor_name(host.name), HostActor(world, host).run, kind="host")
            for host in world.hosts.values()
        ],
        intensity=RestartIntensity(10, 60.0),
    )
    jobs = Supervisor("jobs")
    foreman = Foreman(world, jobs)
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
