"""Why a simulated engine will not do something: a class for each status of the Docker API."""

from runnerhub.ports.errors import EngineRefused


class BadParameter(EngineRefused):
    """The request is wrong."""


class Forbidden(EngineRefused):
    """What it concerns is in use."""


class NotFound(EngineRefused):
    """There is no such thing."""


class WrongState(EngineRefused):
    """The container is not in a state for that."""
