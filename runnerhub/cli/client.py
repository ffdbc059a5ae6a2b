"""How commands speak to a running node, and how they fail: in one line, with an exit code."""

import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

import typer

from runnerhub.errors import RunnerHubError

TROUBLE = 125
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0
MOST_PER_PAGE = 1000
SERVER_TROUBLE = 500

TOKEN_FORM = re.compile(r"[\x21-\x7e]+")

# A host that vanished closes no connection; the kernel finds out after 30 s of silence.
KEEP_ALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPIDLE", None), 10),
    (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPINTVL", None), 5),
    (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPCNT", None), 4),
)


class Refused(RunnerHubError):
    """The node answered with an error, of this HTTP status."""

    def __init__(self, words: str, status: int) -> None:
        super().__init__(words)
        self.status = status

    @property
    def passing(self) -> bool:
        """Tell whether it may be otherwise in a while: the node itself is in trouble."""
        return self.status >= SERVER_TROUBLE


def tell(words: str) -> None:
    """Say something about the command itself, in one line beside its output."""
    typer.echo(f"runnerhub: {' '.join(words.split())}", err=True)


def fail(words: str, code: int = 1) -> NoReturn:
    """Say what is wrong in one line, and end."""
    tell(words)
    raise typer.Exit(code)


@contextmanager
def plainly(code: int = 1) -> Iterator[None]:
    """Let errors that we know the name of end the command in one line."""
    try:
        yield
    except BrokenPipeError:
        raise  # whoever read our output has seen enough, as `head` does
    except UnicodeError as error:
        fail(f"what was given is no text in UTF-8: {error}", code)
    except (RunnerHubError, OSError) as error:
        fail(str(error), code)
    except Exception as error:
        import httpx

        if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
            fail(f"RUNNERHUB_URL {url()!r} is not a URL of http or https: {error}", code)
        if isinstance(error, httpx.HTTPError):
            fail(f"{url()} does not answer ({error}); is `runnerhub serve` running?", code)
        raise


def url() -> str:
    """Return where the node is."""
    return os.environ.get("RUNNERHUB_URL", "http://127.0.0.1:8080").rstrip("/")


def token() -> str:
    """Return the token to bring: `RUNNERHUB_TOKEN`, or the admin's of the default data folder."""
    if given := os.environ.get("RUNNERHUB_TOKEN", "").strip():
        if not TOKEN_FORM.fullmatch(given):
            raise RunnerHubError("RUNNERHUB_TOKEN is no token; `runnerhub token` issues them")
        return given
    from runnerhub.config import default_data_dir

    folder = Path(os.environ.get("RUNNERHUB_DATA_DIR") or default_data_dir())
    try:
        return (folder / "admin.token").read_text().strip()
    except OSError:
        raise RunnerHubError(
            f"no token: set RUNNERHUB_TOKEN (the node keeps one in {folder / 'admin.token'})"
        ) from None


class Client:
    """The API of a node."""

    def __init__(self) -> None:
        import httpx

        headers = {"authorization": f"Bearer {token()}"}
        timeout = httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
        self._http = httpx.Client(base_url=url(), headers=headers, timeout=timeout)

    def get(self, path: str, **params: Any) -> dict[str, Any]:  # noqa: ANN401
        """Read something."""
        given = {key: value for key, value in params.items() if value is not None}
        return _answer(self._http.get(path, params=given))

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Do something."""
        return _answer(self._http.post(path, json=body))

    def job(self, job_id: str) -> dict[str, Any]:
        """Read where a job stands."""
        return self.get(f"/api/jobs/{quoted(job_id)}/status")

    def pages(
        self,
        path: str,
        most: int | None,
        items: str = "jobs",
        **params: Any,  # noqa: ANN401
    ) -> dict[str, Any]:
        """Read a list over its pages, up to `most` of its items, all for None.

        Returns:
            What one page would hold: the items, and `next_cursor`, null where there are no more.
        """
        found: list[dict[str, Any]] = []
        cursor = None
        while True:
            left = MOST_PER_PAGE if most is None else min(most - len(found), MOST_PER_PAGE)
            page = self.get(path, **params, limit=left, cursor=cursor)
            found += page[items]
            cursor = page["next_cursor"]
            if cursor is None or len(found) == most:
                return {items: found, "next_cursor": cursor}

    @contextmanager
    def log(
        self, job_id: str, *, follow: bool, attempt: int | None = None
    ) -> Iterator[Iterator[bytes]]:
        """Open the log of a job, or of one of its attempts, and yield it in parts as they come."""
        import httpx

        params: dict[str, str | int] = {"follow": str(follow).lower()}
        if attempt is not None:
            params["attempt"] = attempt
        with self._http.stream(
            "GET",
            f"/api/jobs/{quoted(job_id)}/logs",
            params=params,
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS, read=None),
        ) as answer:
            if answer.is_error:
                answer.read()
                _answer(answer)
            _keep_alive(answer)
            yield answer.iter_bytes()


def quoted(name: str) -> str:
    """Return a name as one segment of a path. Raises RunnerHubError where it cannot be one."""
    if not name or "/" in name:
        raise RunnerHubError(
            f"{name!r} is no job's id and no host's name; `runnerhub jobs` or `hosts` lists them"
        )
    return quote(name, safe="")


def _keep_alive(answer: Any) -> None:  # noqa: ANN401 - httpx is imported late
    stream = answer.extensions.get("network_stream")
    connection = stream.get_extra_info("socket") if stream is not None else None
    for level, option, value in KEEP_ALIVE:
        if connection is not None and option is not None:
            with suppress(OSError):  # closed already: whoever reads will see it
                connection.setsockopt(level, option, value)


def _answer(answer: Any) -> dict[str, Any]:  # noqa: ANN401 - httpx is imported late
    try:
        body = answer.json()
    except ValueError:
        body = None
    if answer.is_error and isinstance(body, dict):
        raise Refused(_problem(body, answer.status_code), answer.status_code)
    if not isinstance(body, dict):
        words = f"{url()} answered {answer.status_code}, and no JSON object: is it RunnerHub's API?"
        raise Refused(words, answer.status_code)
    return body


def _problem(body: Mapping[str, Any], status: int) -> str:
    """Say what a problem document says: its detail, then each field that this leaves out."""
    words = [str(body.get("detail") or "no reason given")]
    for error in body.get("errors") or ():
        each = f"{error['field']}: {error['message']}"
        if each not in words:
            words.append(each)
    return f"{body.get('title', status)}: {'; '.join(words)}"
