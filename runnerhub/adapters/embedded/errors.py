"""What can go wrong with an embedded server."""

from runnerhub.errors import RunnerHubError


class EmbeddedServerError(RunnerHubError):
    """An embedded server could not be prepared, started or stopped; the message ends in its log."""


class EmbeddedServersMissing(EmbeddedServerError):
    """The extra `runnerhub[embedded]` is not installed, or has no build for this machine."""
