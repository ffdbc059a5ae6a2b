"""Hand a job to a warm sandbox: from an attempt with a kit to a main container that is the job.

The ledger says RUNNING before a byte is sent. So after a crash in between nobody sends it again:
either the sandbox has read all of it and is the job, or it read the end of stdin and says so.
"""

from collections.abc import Callable, Sequence

from runnerhub.actors.attempt import Attempt, Outcome
from runnerhub.actors.images import Images
from runnerhub.actors.provision import ensure_images, refusal
from runnerhub.actors.registration import register
from runnerhub.actors.sandbox import start_services
from runnerhub.actors.shelf import Kit
from runnerhub.model.handover import hand_over
from runnerhub.model.job import Phase, Resources
from runnerhub.model.pool import Pool
from runnerhub.ports.engine import ImageConfig, Stdin
from runnerhub.ports.errors import PortError, StaleFence, Unavailable

STAMPS = ("image_ready", "created", "started")


async def provision_warm(
    attempt: Attempt, kit: Kit, stdin: Stdin, images: Images, follow: Callable[[], None]
) -> Outcome | None:
    """Hand over the job; return what became of it where that cannot be.

    Args:
        attempt: whose main container is the kit's.
        kit: started, and waiting for a job.
        stdin: of the kit.
        images: of the host.
        follow: begins to read the log. A log that is opened while the container ends is answered
            only when the engine has taken its network down, which takes longer than such a job.

    Raises:
        EngineUnavailable: nothing is known of the last step; look at the sandbox.
        Detached, StaleFence, LedgerUnavailable: as `Attempt` says.
    """
    host, plan = attempt.host, attempt.plan
    command = full_command(plan.execution.command, kit.image)
    try:
        if plan.execution.services:
            await ensure_images(attempt, images)
            attempt.mark("image_ready")
            await attempt.advance(Phase.PROVISIONING)
            await start_services(host.engine, plan)
        if (refused := await register(attempt)) is not None:
            return refused
        await _limit(attempt, kit.recipe.pool)
        await attempt.trust()
        attempt.mark(*STAMPS)
        follow()
        await attempt.advance(Phase.RUNNING)
        attempt.epoch = kit.epoch
        env = {**plan.execution.env, **attempt.secret_env}
        await stdin.send(hand_over(plan.main, command, env))
    except (Unavailable, StaleFence):
        raise
    except PortError as error:
        return refusal(error)
    return None


def full_command(command: Sequence[str], image: ImageConfig) -> tuple[str, ...]:
    """Return what a container of an image would run, given a job's command."""
    return (*image.entrypoint, *(command or image.command))


async def _limit(attempt: Attempt, pool: Pool | None) -> None:
    asked = attempt.plan.execution.resources
    has = pool.resources if pool else Resources()
    if (asked.cpus, asked.memory_mb, asked.pids) != (has.cpus, has.memory_mb, has.pids):
        await attempt.host.engine.limit_container(
            attempt.plan.main, cpus=asked.cpus, memory_mb=asked.memory_mb, pids=asked.pids
        )
