"""End a runner that is not needed: deregister it, and only then end what turned out to be idle."""

import contextlib

import structlog

from runnerhub.actors.messages import CancelJob, job_actor_name
from runnerhub.actors.world import World
from runnerhub.model.fleet import Retire
from runnerhub.model.job import Conclusion, Phase, Reason
from runnerhub.model.outcome import Verdict
from runnerhub.model.runner import runner_name
from runnerhub.runtime import ActorDied, MailboxFull, Registry

log = structlog.get_logger(__name__)


async def retire(world: World, registry: Registry, given: Retire) -> bool:
    """Retire a runner; tell whether it goes. Raises PortError."""
    runner, runners = given.runner, world.runners
    wish = runner.spec.execution.runner
    verdict = Verdict(Conclusion.CANCELLED, Reason.NOT_NEEDED, given.why)
    if runner.phase is Phase.QUEUED:
        return await world.ledger.conclude_queued(runner.id, verdict) is not None
    if wish is None or runners is None or runner.sandbox_id is None:
        return False
    name = runner_name(world.cluster, runner.sandbox_id)
    if not await runners.deregister(wish, name):
        return False  # busy: it got a job after all, which GitHub will tell of
    log.info("runner retired", action="runner_retired", runner=name, why=given.why)
    await world.ledger.request_cancel(runner.id)
    actor = registry.whereis(job_actor_name(runner.id))
    if actor is not None:
        # Where it cannot be told: the request is in the ledger, whoever drives it next finds it.
        with contextlib.suppress(MailboxFull, ActorDied):
            actor.tell(CancelJob(verdict))
    return True
