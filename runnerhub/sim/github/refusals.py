"""How the simulated GitHub says no."""

from runnerhub.errors import RunnerHubError


class Refusal(RunnerHubError):
    """An answer 4xx.

    Attributes:
        status: of the answer.
        headers: that go with it.
        kind: what the scale-set service calls it, such as RunnerScaleSetNotFoundException.
    """

    def __init__(
        self,
        status: int,
        message: str,
        headers: dict[str, str] | None = None,
        *,
        kind: str = "VssServiceException",
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.status = status
        self.message = message
        self.headers = headers or {}


def not_found() -> Refusal:
    """Return a 404, which GitHub also gives for what one may not see."""
    return Refusal(404, "Not Found")


def invalid(message: str) -> Refusal:
    """Return a 422."""
    return Refusal(422, message)
