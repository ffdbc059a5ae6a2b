"""What the runtime raises. Each message is a sentence for a person."""

from runnerhub.errors import RunnerHubError


class ActorError(RunnerHubError):
    """Something in the actor runtime went wrong."""


class MailboxFull(ActorError):
    """The actor has as many messages waiting as it may hold; try later, or shed the load."""


class ActorDied(ActorError):
    """The actor has ended, or ended before it answered."""


class AskTimeout(ActorError):
    """The actor did not answer in time. Whether it acted on the message is unknown."""


class Stopped(ActorError):
    """The actor was asked to stop; raised by its next receive."""


class StartFailed(ActorError):
    """The actor ended, or ran out of time, before it had started. The cause is chained."""


class NameTaken(ActorError):
    """Another living actor has this name."""


class UnknownChild(ActorError):
    """The supervisor has no child of this name."""


class RestartIntensityExceeded(ActorError):
    """Too many restarts in too short a time: restarting does not help, so the parent decides."""


class CleanupTimeout(ActorError):
    """The clean-up did not end before its deadline and was cut short."""


class BridgeClosed(ActorError):
    """The guest run has ended, so no call can reach the host loop."""


class CallCancelled(ActorError):
    """Somebody on the asyncio side cancelled the call; nobody on this side did."""
