"""What an engine's errors mean, whichever client has met them."""

from runnerhub.ports.errors import EngineRefused, EngineUnavailable

MISSING, CONFLICT = 404, 409
ERRORS_FROM = 400
SERVER_ERRORS_FROM = 500

# A proxy before an engine that is away.
_GATEWAY = (502, 503, 504)
# An engine whose containerd is gone, or which is on its way out, says 500 and one of these.
_NOT_THERE = (
    "transport is closing",
    "error while dialing",
    "connection refused",
    "daemon is shutting down",
    "context canceled",
)


class Refused(Exception):
    """The engine answered with an error. Never leaves the adapter."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    def says(self, *words: str) -> bool:
        """Tell whether its message contains one of these, in lower case."""
        return any(word in self.message.lower() for word in words)

    def as_error(self) -> EngineRefused:
        """Return what the port says of it."""
        return EngineRefused(self.message)


def is_away(status: int, message: str) -> bool:
    """Tell whether an error says that the engine is away, not that it will not."""
    if status in _GATEWAY:
        return True
    return status >= SERVER_ERRORS_FROM and any(word in message.lower() for word in _NOT_THERE)


def unavailable(url: str, why: str) -> EngineUnavailable:
    """Return the error for an engine that does not answer."""
    return EngineUnavailable(f"The engine at {url} does not answer: {why}")


def not_open(url: str) -> EngineUnavailable:
    """Return the error for a client that was closed, or never opened."""
    return EngineUnavailable(f"The connection to {url} is not open")
