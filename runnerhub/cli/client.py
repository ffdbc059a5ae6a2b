"""How commands speak to a running node, and how they fail: in one line, with an exit code."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import typer

from runnerhub.config import default_data_dir
from runnerhub.errors import RunnerHubError

TROUBLE = 125


def fail(words: str, code: int = 1) -> NoReturn:
    """Say what is wrong in one line, and end."""
    typer.echo(f"runnerhub: {' '.join(words.split())}", err=True)
    raise typer.Exit(code)


@contextmanager
def plainly(code: int = 1) -> Iterator[None]:
    """Let errors that we know the name of end the command in one line."""
    import httpx

    try:
        yield
    except (RunnerHubError, OSError, UnicodeError) as error:
        fail(str(error), code)
    except httpx.InvalidURL as error:
        fail(f"RUNNERHUB_URL {url()!r} is not a URL: {error}", code)
    except httpx.HTTPError as error:
        fail(f"{url()} does not answer ({error}); is `runnerhub serve` running?", code)


def url() -> str:
    """Return where the node is."""
    return os.environ.get("RUNNERHUB_URL", "http://127.0.0.1:8080").rstrip("/")


def token() -> str:
    """Return the token to bring: `RUNNERHUB_TOKEN`, or the admin's of the default data folder."""
    if given := os.environ.get("RUNNERHUB_TOKEN"):
        return given
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
        self._http = httpx.Client(base_url=url(), headers=headers, timeout=30.0)

    def get(self, path: str, **params: Any) -> dict[str, Any]:  # noqa: ANN401
        """Read something."""
        given = {key: value for key, value in params.items() if value is not None}
        return self._answer(self._http.get(path, params=given))

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Do something."""
        return self._answer(self._http.post(path, json=body))

    def log(self, job_id: str, *, follow: bool) -> Iterator[bytes]:
        """Yield a job's log as it comes."""
        import httpx

        with self._http.stream(
            "GET",
            f"/api/jobs/{job_id}/logs",
            params={"follow": str(follow).lower()},
            timeout=httpx.Timeout(30.0, read=None),
        ) as answer:
            if answer.is_error:
                answer.read()
                self._answer(answer)
            yield from answer.iter_bytes()

    def _answer(self, answer: Any) -> dict[str, Any]:  # noqa: ANN401 - httpx is imported late
        try:
            body = answer.json()
        except ValueError:
            raise RunnerHubError(f"{url()} answered {answer.status_code}, and no JSON") from None
        if not isinstance(body, dict):
            raise RunnerHubError(f"{url()} answered {answer.status_code}, and no JSON object")
        if answer.is_error:
            raise RunnerHubError(_problem(body, answer.status_code))
        return body


def _problem(body: Mapping[str, Any], status: int) -> str:
    """Say what a problem document says: its detail, then each field that this leaves out."""
    words = [str(body.get("detail") or "no reason given")]
    for error in body.get("errors") or ():
        each = f"{error['field']}: {error['message']}"
        if each not in words:
            words.append(each)
    return f"{body.get('title', status)}: {'; '.join(words)}"
