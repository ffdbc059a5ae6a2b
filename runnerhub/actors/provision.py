"""From an attempt with nothing but names to a main container that runs."""

from runnerhub.actors.attempt import Attempt, Outcome
from runnerhub.actors.images import Images
from runnerhub.actors.registration import register
from runnerhub.actors.sandbox import ServiceNotReady, build, start
from runnerhub.model.job import Conclusion, Network, Reason
from runnerhub.model.outcome import LostAttempt, Verdict, judge_refusal
from runnerhub.model.subnets import SubnetsSpent
from runnerhub.ports.errors import (
    ImageMissing,
    ImagePullFailed,
    PortError,
    StaleFence,
    SubnetConflict,
    Unavailable,
)


async def provision(attempt: Attempt, images: Images, *, created: bool = False) -> Outcome | None:
    """Build the sandbox and start it; return what became of the job where that cannot be.

    Doing it again goes on where it was left. Cancelling it leaves parts behind.

    Args:
        attempt: what to build.
        images: of the host.
        created: whether the main container exists, with all that it was given.

    Raises:
        EngineUnavailable: nothing is known of the last step.
        Detached, StaleFence, LedgerUnavailable: as `Attempt` says.
    """
    try:
        try:
            return await _build(attempt, images, created=created)
        except ImageMissing:
            # It was there once; somebody has removed it.
            if not images.doubt(*_images_of(attempt)):
                raise
            return await _build(attempt, images, created=created)
    except (Unavailable, StaleFence):
        raise
    except (PortError, SubnetsSpent) as error:
        if attempt.joins_holder and not await is_held(attempt):
            return LostAttempt(Reason.SANDBOX_LOST, "its prepared network was lost")
        return refusal(error)


async def _build(attempt: Attempt, images: Images, *, created: bool) -> Outcome | None:
    host, plan = attempt.host, attempt.plan
    await ensure_images(attempt, images)
    attempt.mark("image_ready")
    attempt.has_images.set()
    await attempt.trust()
    if not (created or attempt.secret_env) and (refused := await register(attempt)) is not None:
        return refused
    disk = bool(host.info and host.info.disk_limits)
    subnets, join, env = attempt.world.subnets, attempt.joins_holder, attempt.secret_env
    with host.shelf.hurry():
        await build(host.engine, plan, subnets, disk=disk, join=join, secret_env=env)
        attempt.mark("created")
        attempt.epoch = host.epoch
        attempt.tickets = (host.changed.ticket(), host.changed.ticket(plan.main))
        await start(host.engine, plan.main)
    attempt.mark("started")
    return None


async def ensure_images(attempt: Attempt, images: Images) -> None:
    """See to it that every image of the attempt is there. Raises as `Images.ensure` does."""
    for image in _images_of(attempt):
        await images.ensure(image, attempt.world.settings.image_pull)


def _images_of(attempt: Attempt) -> list[str]:
    execution = attempt.plan.execution
    services = (service.image for service in execution.services)
    return list(dict.fromkeys([execution.image, *services]))


def refuse_unguarded(attempt: Attempt) -> Verdict | None:
    """Refuse egress where the pool requires a guard that does not stand."""
    host, asked = attempt.host, attempt.plan.execution.network
    if asked is Network.EGRESS and attempt.pool.require_egress_guard and not host.guarded:
        words = f"{host.name} has no egress guard, which the pool requires"
        return Verdict(Conclusion.FAILURE, Reason.START_FAILED, words)
    return None


def refusal(error: Exception) -> Outcome:
    """Judge what kept a sandbox from being made."""
    match error:
        case ImagePullFailed() | ImageMissing():
            return Verdict(Conclusion.FAILURE, Reason.IMAGE_UNAVAILABLE, str(error))
        case ServiceNotReady():
            return Verdict(Conclusion.FAILURE, Reason.SERVICE_NOT_READY, str(error))
        case SubnetConflict() | SubnetsSpent():
            return LostAttempt(Reason.START_FAILED, str(error))
        case _:
            return judge_refusal(str(error))


async def is_held(attempt: Attempt) -> bool:
    """Tell whether a holder has the attempt's network. Raises EngineUnavailable."""
    state = await attempt.host.engine.inspect_container(attempt.plan.holder)
    return state is not None and state.status == "running"
