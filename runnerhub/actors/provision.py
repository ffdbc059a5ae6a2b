"""From an attempt with nothing but names to a main container that runs."""

from runnerhub.actors.attempt import Attempt, Outcome
from runnerhub.actors.images import Images
from runnerhub.actors.sandbox import ServiceNotReady, build, start
from runnerhub.model.job import Conclusion, Network, Phase, Reason
from runnerhub.model.outcome import LostAttempt, Verdict, judge_refusal
from runnerhub.model.subnets import SubnetsSpent
from runnerhub.ports.errors import EngineRefused, ImageMissing, ImagePullFailed, SubnetConflict


async def provision(attempt: Attempt, images: Images) -> Outcome | None:
    """Build the sandbox and start it; return what became of the job where that cannot be.

    Doing it again goes on where it was left. Cancelling it leaves parts behind.

    Raises:
        EngineUnavailable: nothing is known of the last step.
        Detached, StaleFence, LedgerUnavailable: as `Attempt` says.
    """
    host, plan = attempt.host, attempt.plan
    if attempt.pool.require_egress_guard and _lacks_guard(attempt):
        words = f"{host.name} has no egress guard, which the pool requires"
        return Verdict(Conclusion.FAILURE, Reason.START_FAILED, words)
    execution, policy = plan.execution, attempt.world.settings.image_pull
    try:
        for image in dict.fromkeys([execution.image, *(s.image for s in execution.services)]):
            await images.ensure(image, policy)
        await attempt.advance(Phase.PROVISIONING, "image_ready")
        await attempt.trust()
        disk = bool(host.info and host.info.disk_limits)
        await build(host.engine, plan, attempt.world.subnets, disk=disk)
        await attempt.advance(Phase.PROVISIONING, "created")
        attempt.epoch = host.epoch
        await start(host.engine, plan.main)
    except (ImagePullFailed, ImageMissing) as error:
        return Verdict(Conclusion.FAILURE, Reason.IMAGE_UNAVAILABLE, str(error))
    except ServiceNotReady as error:
        return Verdict(Conclusion.FAILURE, Reason.SERVICE_NOT_READY, str(error))
    except (SubnetConflict, SubnetsSpent) as error:
        return LostAttempt(Reason.START_FAILED, str(error))
    except EngineRefused as error:
        return judge_refusal(str(error))
    return None


def _lacks_guard(attempt: Attempt) -> bool:
    return attempt.plan.execution.network is Network.EGRESS and not attempt.host.guarded
