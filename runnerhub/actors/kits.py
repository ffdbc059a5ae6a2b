"""Make a kit: a network with its holder, or a warm sandbox. Idempotent as `actors.sandbox` is."""

from contextlib import suppress
from dataclasses import replace

from runnerhub.actors.sandbox import create_network, main_spec, start
from runnerhub.actors.shelf import Kit
from runnerhub.actors.world import World
from runnerhub.model.handover import wait_command
from runnerhub.model.sandbox import (
    LABEL_CLUSTER,
    LABEL_ROLE,
    LABEL_SANDBOX,
    Relaxations,
    SandboxPlan,
)
from runnerhub.model.subnets import SubnetPool
from runnerhub.ports.engine import ContainerSpec, Engine
from runnerhub.ports.errors import NameConflict

HOLDER_PIDS = 16


def kit_plan(world: World, kit: Kit) -> SandboxPlan:
    """Return the names and labels of a kit. No job is among them: the ledger will name it."""
    pool = kit.recipe.pool
    return SandboxPlan(
        kit.sandbox_id,
        {LABEL_CLUSTER: world.cluster, LABEL_SANDBOX: kit.sandbox_id},
        kit.recipe.execution,
        pool.relaxations if pool else Relaxations(),
        world.settings.log_max_mb,
        has_holder=pool is None,
    )


def idle_container(world: World, kit: Kit) -> str:
    """Return the name of the container that runs in a kit before it has a job."""
    plan = kit_plan(world, kit)
    return plan.main if kit.recipe.pool else plan.holder


async def build_network(engine: Engine, plan: SandboxPlan, subnets: SubnetPool) -> None:
    """Create a private network and start its holder. Raises as `sandbox.build` does."""
    image = await engine.holder_image()
    await create_network(engine, plan, subnets)
    holder = ContainerSpec(
        plan.holder,
        image.name,
        {**plan.labels, LABEL_ROLE: "holder"},
        image.command,
        network=plan.network,
        aliases=("job",),
        pids=HOLDER_PIDS,
        read_only=True,
    )
    with suppress(NameConflict):
        await engine.create_container(holder)
    await start(engine, plan.holder)


async def build_warm(engine: Engine, plan: SandboxPlan, subnets: SubnetPool, *, disk: bool) -> None:
    """Create the network and start the main container, whose shell then waits on stdin."""
    await create_network(engine, plan, subnets)
    shell, *words = wait_command(plan.main)
    spec = replace(main_spec(plan, disk=disk), entrypoint=(shell,), command=words, stdin=True)
    with suppress(NameConflict):
        await engine.create_container(spec)
    await start(engine, plan.main)
