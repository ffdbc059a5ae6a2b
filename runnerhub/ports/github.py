"""The port to GitHub: requests, answers, credentials, and the gateway as others see it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from runnerhub.errors import RunnerHubError
from runnerhub.model.budget import Priority
from runnerhub.ports.errors import PortError, Unavailable


class GitHubUnavailable(Unavailable):
    """GitHub gave no answer that counts. Whether the request had its effect is not known.

    Attributes:
        sent: whether it may have; false when no connection could be made.
    """

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent


class GitHubRefused(PortError):
    """GitHub says no: an answer 4xx that trying again does not change.

    Attributes:
        status: of the answer.
        data: its body.
    """

    def __init__(self, status: int, message: str, data: Any = None) -> None:  # noqa: ANN401 - JSON
        super().__init__(f"GitHub answers {status}: {message}")
        self.status = status
        self.data = data


class RateLimited(PortError):
    """The budget did not allow the request within its patience. It was not made.

    Attributes:
        retry_after: seconds until it may.
        why: budget, rate, in_flight, silence, unknown, or full.
    """

    def __init__(self, why: str, retry_after: float) -> None:
        super().__init__(f"GitHub's rate limit ({why}): try again in {retry_after:.0f} s")
        self.why = why
        self.retry_after = retry_after


class GitHubNotConfigured(RunnerHubError):
    """There is no credential for this request."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request to GitHub's REST API.

    Attributes:
        path: below the API's address, such as `/repos/acme/web`; or a link from an answer.
        params: of the query.
        body: becomes JSON.
        kind: what sort of request it is; one of few, for it labels metrics and says how long an
            answer is fresh.
        account: the owner that it concerns, to choose the credential; else read off the path.
        credential: the credential by name, instead.
        repeatable: whether it may be sent again when its answer was lost; by method for None.
        patience: seconds that it waits in all, turns and repetitions included.
        tags: by which webhooks make its cached answer stale.
        cached: for GET: whether the cache may answer.
        etag: for GET without the cache: what the caller has; the answer may then be 304.
    """

    method: str
    path: str
    params: Mapping[str, str | int] = field(default_factory=dict)
    body: Any = None
    kind: str = "other"
    priority: Priority = Priority.SYNC
    account: str | None = None
    credential: str | None = None
    repeatable: bool | None = None
    patience: float = 300.0
    tags: tuple[str, ...] = ()
    cached: bool = True
    etag: str | None = None

    @property
    def safe_to_repeat(self) -> bool:
        """Whether it may be sent again when its answer was lost."""
        if self.repeatable is not None:
            return self.repeatable
        return self.method in {"GET", "HEAD", "PUT", "DELETE"}


@dataclass(frozen=True, slots=True)
class Response:
    """An answer.

    Attributes:
        headers: names in lower case.
        data: the body, read as JSON; None when there is none.
        next: the link to the next page.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    data: Any = None
    next: str | None = None


@dataclass(frozen=True, slots=True)
class Authorization:
    """What a request is signed with. Never shown."""

    scheme: str
    token: str = field(repr=False)


class GitHubTransport(Protocol):
    """Send one request, once."""

    async def send(
        self, request: Request, authorization: Authorization, etag: str | None = None
    ) -> Response:
        """Send it and return the answer, whatever its status.

        Cancelling it closes the connection; GitHub may have acted.

        Raises:
            GitHubUnavailable: there is no whole answer.
        """


class AppSigner(Protocol):
    """Sign as a GitHub App."""

    def sign(self) -> str:
        """Return a JWT that is good for some minutes."""


@dataclass(frozen=True, slots=True)
class Credential:
    """An identity at GitHub: a token, or an installation of an App.

    Attributes:
        name: labels metrics and keys the counters; the same on all nodes.
        accounts: the owners that it serves; empty for all.
        installation_id: without it, the installation of each owner is looked up.
    """

    name: str
    accounts: frozenset[str] = frozenset()
    token: str | None = field(default=None, repr=False)
    app_id: str | None = None
    installation_id: int | None = None
    signer: AppSigner | None = field(default=None, repr=False)


class GitHub(Protocol):
    """The gateway, as those see it that speak to GitHub through it."""

    async def call(self, request: Request) -> Response:
        """Make a request within the budget and return its answer, 2xx.

        A checkpoint. Cancelling it withdraws what waits, and closes what is under way.

        Raises:
            GitHubRefused: an answer 4xx.
            GitHubUnavailable: no answer that counts.
            RateLimited: not within its patience.
            GitHubNotConfigured: no credential serves it.
        """

    def pages(self, request: Request, most: int = 100) -> AsyncIterator[Response]:
        """Make a request, and follow its links to further pages, so many at most."""

    async def stale(self, tags: Sequence[str]) -> None:
        """Make cached answers with any of these tags stale, in all tiers."""
