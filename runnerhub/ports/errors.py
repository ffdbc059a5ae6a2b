"""What can go wrong behind a port. Foreign errors stop at the adapter and come out as these."""

from runnerhub.errors import RunnerHubError


class PortError(RunnerHubError):
    """A port could not do what was asked."""


class Unavailable(PortError):
    """The other side does not answer. Trying again later is right; nothing is known of effects."""


class EngineUnavailable(Unavailable):
    """The Docker engine does not answer."""


class LedgerUnavailable(Unavailable):
    """PostgreSQL does not answer."""


class QueueUnavailable(Unavailable):
    """Redis does not answer."""


class NameConflict(PortError):
    """The engine has something of this name already."""


class SubnetConflict(PortError):
    """The subnet overlaps another network of the engine."""


class ImageMissing(PortError):
    """The engine has no such image."""


class ImagePullFailed(PortError):
    """The image cannot be pulled."""


class EngineRefused(PortError):
    """The engine will not do this: the request is wrong, or a resource is spent."""


class StaleFence(PortError):
    """Another node owns the host by now, or the job has moved on. Let go, change nothing."""
