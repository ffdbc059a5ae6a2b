"""Make an attempt's sandbox one of GitHub's runners, and end that again."""

import structlog
import trio

from runnerhub.actors.attempt import Attempt, Outcome
from runnerhub.model.job import Reason
from runnerhub.model.outcome import LostAttempt, judge_registration
from runnerhub.model.runner import runner_name
from runnerhub.ports.runners import RunnerRefused, RunnersUnavailable

log = structlog.get_logger(__name__)

CONFIG_VARIABLE = "ACTIONS_RUNNER_INPUT_JITCONFIG"
DEREGISTER_SECONDS = 3.0

NOT_CONFIGURED = "it is to become a runner, and GitHub is not configured"


async def register(attempt: Attempt) -> Outcome | None:
    """Register the runner that the attempt is to become; say what became of it where that fails.

    The configuration is then in `attempt.secret_env`. For a job that is none there is nothing
    to do.
    """
    wish, runners = attempt.plan.execution.runner, attempt.world.runners
    if wish is None:
        return None
    if runners is None:
        return judge_registration(NOT_CONFIGURED)
    attempt.may_be_registered = True
    try:
        made = await runners.register(wish, _name(attempt))
    except RunnerRefused as error:
        return judge_registration(str(error))
    except RunnersUnavailable as error:
        return LostAttempt(Reason.GITHUB_UNAVAILABLE, str(error))
    attempt.secret_env = {CONFIG_VARIABLE: made.config}
    return None


async def deregister(attempt: Attempt) -> None:
    """Deregister the runner before its sandbox goes: what is idle then gets no job any more.

    Where that fails, or the runner is busy, whoever looks for ghosts deregisters it later.
    """
    wish, runners = attempt.plan.execution.runner, attempt.world.runners
    if wish is None or runners is None or not attempt.may_be_registered:
        return
    with trio.move_on_after(DEREGISTER_SECONDS) as clock:
        try:
            gone = await runners.deregister(wish, _name(attempt))
        except (RunnerRefused, RunnersUnavailable) as error:
            log.warning("not deregistered", action="deregister_put_off", why=str(error))
        else:
            attempt.may_be_registered = not gone
    if clock.cancelled_caught:
        log.warning("not deregistered", action="deregister_put_off", why="no answer in time")


def _name(attempt: Attempt) -> str:
    return runner_name(attempt.world.cluster, attempt.plan.sandbox_id)
