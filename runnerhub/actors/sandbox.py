"""Build a sandbox, and take it away. Both are idempotent: its names are all they need.

Whatever exists under one of our names is ours: the sandbox id in it was drawn for this attempt
alone. So a create that meets its own name has landed before, and building goes on.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial

import trio

from runnerhub.model.job import Network, Ready, Service
from runnerhub.model.sandbox import LABEL_ROLE, SandboxPlan
from runnerhub.model.subnets import SubnetPool
from runnerhub.ports.engine import ContainerSpec, Engine, NetworkSpec
from runnerhub.ports.errors import EngineRefused, EngineUnavailable, NameConflict, SubnetConflict
from runnerhub.runtime import cleanup_together

SUBNET_TRIES = 8


class ServiceNotReady(EngineRefused):
    """A service container ended, or did not become ready in time."""


async def build(
    engine: Engine,
    plan: SandboxPlan,
    subnets: SubnetPool,
    *,
    disk: bool,
    join: bool = False,
    secret_env: Mapping[str, str] | None = None,
) -> None:
    """Create the network, the services (started and ready) and the main container (created).

    Cancelling it leaves parts behind: `reap` them.

    Args:
        engine: where.
        plan: names and labels.
        subnets: where the network's comes from.
        disk: whether the engine limits the size of a container.
        join: whether a holder has the network already, which the main container then joins.
        secret_env: more variables of the main container.

    Raises:
        EngineRefused: the engine will not; the message is the engine's.
        EngineUnavailable: nothing is known of the last step; building again is safe.
    """
    if not join:
        await create_network(engine, plan, subnets)
    await start_services(engine, plan)
    with suppress(NameConflict):
        spec = main_spec(plan, disk=disk, join=join)
        await engine.create_container(replace(spec, env={**spec.env, **(secret_env or {})}))


async def start_services(engine: Engine, plan: SandboxPlan) -> None:
    """Create and start the services, and wait until they are ready. Raises as `build` does."""
    for service in plan.execution.services:
        with suppress(NameConflict):
            await engine.create_container(_service_spec(plan, service))
        await start(engine, plan.service(service.name))
    for service in plan.execution.services:
        await _wait_ready(engine, plan.service(service.name), service.ready or Ready())


async def start(engine: Engine, name: str) -> None:
    """Start a container that was created.

    Raises:
        EngineRefused: the engine will not.
        EngineUnavailable: also where an earlier create holds the name and has not landed yet.
    """
    try:
        await engine.start_container(name)
    except EngineRefused as error:
        if await engine.inspect_container(name) is None:
            raise EngineUnavailable(f"{name} is being created") from error
        raise


async def reap(
    engine: Engine, plan: SandboxPlan, subnets: SubnetPool, *, deadline_at: float
) -> None:
    """Remove everything of a sandbox, containers side by side, then the network.

    Raises:
        ExceptionGroup: some of it could not be removed.
        CleanupTimeout: the deadline cut it.
    """
    names = [plan.main, *(plan.service(s.name) for s in plan.execution.services)]
    if plan.has_holder:
        names.append(plan.holder)
    await cleanup_together(
        *(partial(engine.remove_container, name) for name in names),
        deadline_at=deadline_at,
    )
    network = plan.network
    if network is not None:
        await cleanup_together(partial(engine.remove_network, network), deadline_at=deadline_at)
    subnets.give_back(plan.sandbox_id)


async def create_network(engine: Engine, plan: SandboxPlan, subnets: SubnetPool) -> None:
    """Create the private network, of a subnet that is free. Raises SubnetConflict, SubnetsSpent."""
    if plan.network is None:
        return
    for attempt in range(SUBNET_TRIES):
        spec = NetworkSpec(
            plan.network,
            plan.labels,
            subnets.take(plan.sandbox_id),
            internal=plan.execution.network is Network.ISOLATED,
            bridge=plan.network,
        )
        try:
            await engine.create_network(spec)
        except NameConflict:
            return
        except SubnetConflict:
            subnets.block(plan.sandbox_id)
            if attempt == SUBNET_TRIES - 1:
                raise
        else:
            return


def main_spec(plan: SandboxPlan, *, disk: bool, join: bool = False) -> ContainerSpec:
    """Return what the main container is made of."""
    limits, relaxed = plan.execution.resources, plan.relaxations
    return ContainerSpec(
        plan.main,
        plan.execution.image,
        {**plan.labels, LABEL_ROLE: "main"},
        plan.execution.command,
        plan.execution.env,
        network=None if join else plan.network,
        joins=plan.holder if join else None,
        aliases=("job",),
        cpus=limits.cpus,
        memory_mb=limits.memory_mb,
        pids=limits.pids,
        tmpfs_mb=limits.tmpfs_mb,
        disk_mb=limits.disk_mb if disk else None,
        cap_add=relaxed.cap_add,
        read_only=relaxed.read_only,
        user=relaxed.user,
        log_max_mb=plan.log_max_mb,
    )


def _service_spec(plan: SandboxPlan, service: Service) -> ContainerSpec:
    limits = plan.execution.resources
    return ContainerSpec(
        plan.service(service.name),
        service.image,
        {**plan.labels, LABEL_ROLE: "service"},
        service.command,
        service.env,
        network=plan.network,
        aliases=(service.name,),
        cpus=limits.cpus,
        memory_mb=limits.memory_mb,
        pids=limits.pids,
        cap_add=plan.relaxations.cap_add,
        read_only=plan.relaxations.read_only,
        user=plan.relaxations.user,
        log_max_mb=plan.log_max_mb,
    )


async def _wait_ready(engine: Engine, name: str, ready: Ready) -> None:
    with trio.move_on_after(ready.timeout_seconds):
        while True:
            state = await engine.inspect_container(name)
            if state is None or state.has_ended:
                code = "?" if state is None else state.exit_code
                raise ServiceNotReady(f"the service {name} ended with exit code {code}")
            if not ready.command or await engine.exec_ok(name, ready.command):
                return
            await trio.sleep(ready.interval_seconds)
    raise ServiceNotReady(f"the service {name} was not ready within {ready.timeout_seconds:g} s")
