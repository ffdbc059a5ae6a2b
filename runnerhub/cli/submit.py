"""`runnerhub submit`: run a job, follow its log, and end with its exit code."""

import secrets
import threading
from contextlib import suppress
from http import HTTPStatus
from typing import Annotated, Any

import typer

from runnerhub.cli.client import TROUBLE, Client, Refused, fail, plainly, quoted, tell
from runnerhub.cli.follow import Follower
from runnerhub.cli.options import DEFAULT_PATIENCE, Patience
from runnerhub.cli.output import RawLog, show_json
from runnerhub.errors import RunnerHubError

INTERRUPTED = 130
EXIT_CODES = {"timed_out": 124, "cancelled": 130}
LOOK_SECONDS = 1.0


def submit(  # noqa: PLR0913 - one parameter for each option
    command: Annotated[list[str] | None, typer.Argument(help="The command, after --.")] = None,
    *,
    image: Annotated[str, typer.Option(help="The image it runs in.")],
    env: Annotated[list[str] | None, typer.Option(help="KEY=VALUE; repeatable.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="Label of the host; repeatable.")] = None,
    cpus: Annotated[float | None, typer.Option(max=1024, help="Cores.")] = None,
    memory_mb: Annotated[int | None, typer.Option(help="Memory, in MiB.")] = None,
    network: Annotated[str, typer.Option(help="isolated, egress or none.")] = "isolated",
    timeout: Annotated[float | None, typer.Option(max=432000, help="Seconds it may run.")] = None,
    priority: Annotated[int, typer.Option(help="0 to 100; larger goes first.")] = 50,
    repository: Annotated[str, typer.Option(help="Whose turn it takes.")] = "local/submit",
    external_id: Annotated[str | None, typer.Option(help="Unique in the repository.")] = None,
    follow: Annotated[bool, typer.Option(help="Follow the log to the end.")] = True,
    patience: Patience = DEFAULT_PATIENCE,
    cancel_on_interrupt: Annotated[
        bool, typer.Option("--cancel-on-interrupt", help="Ctrl-C cancels the job.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the job as JSON, last.")] = False,
) -> None:
    """Run a command in a sandbox. Exits as it does; 124 timeout, 130 cancelled, 125 our trouble."""
    resources = {k: v for k, v in {"cpus": cpus, "memory_mb": memory_mb}.items() if v is not None}
    body: dict[str, Any] = {
        "external_id": f"submit-{secrets.token_hex(8)}" if external_id is None else external_id,
        "repository": repository,
        "labels": label or [],
        "priority": priority,
        "execution": {
            "kind": "command",
            "image": image,
            "command": command or [],
            "env": dict(_pair(each) for each in env or ()),
            "resources": resources,
            "network": network,
        },
    }
    if timeout is not None:
        body["timeout_seconds"] = timeout
    with plainly(TROUBLE):
        client = Client()
        job = _delegate(client, body)
        out = RawLog()
        code = 0
        if follow:
            typer.echo(f"{job['id']} accepted", err=True)
            follower = Follower(client, job["id"], out.write, patience, met=True)
            try:
                job = _follow(follower, job["id"])
                code = exit_code(job)
            except KeyboardInterrupt:
                if not cancel_on_interrupt:
                    fail(f"interrupted; {_goes_on(job['id'])}", INTERRUPTED)
                job = _cancel(client, follower, job["id"])
                code = INTERRUPTED
            except BrokenPipeError:
                tell(f"nobody reads the log any more; {_goes_on(job['id'])}")
                raise
        if as_json:
            out.end_line()
            show_json(job)
        elif not follow:
            typer.echo(job["id"])
    raise typer.Exit(code)


def exit_code(job: dict[str, Any]) -> int:
    """Return the exit code that tells how a job ended."""
    if job["conclusion"] == "success":
        return 0
    if job["conclusion"] in EXIT_CODES:
        return EXIT_CODES[job["conclusion"]]
    return job["exit_code"] or TROUBLE


def _delegate(client: Client, body: dict[str, Any]) -> dict[str, Any]:
    try:
        return client.post("/api/jobs/delegate", body)
    except KeyboardInterrupt:
        again = f"the same command with --external-id {body['external_id']}"
        fail(f"interrupted before the job was known to be accepted; {again} tells", INTERRUPTED)


def _goes_on(job_id: str) -> str:
    then = f"`runnerhub cancel {job_id}` or `runnerhub logs --follow {job_id}`"
    return f"{job_id} goes on: {then}"


def _follow(follower: Follower, job_id: str) -> dict[str, Any]:
    ended = threading.Event()
    teller = threading.Thread(target=_tell_what_waits, args=(job_id, ended), daemon=True)
    teller.start()
    try:
        job = follower.follow()
    finally:
        ended.set()
    typer.echo(f"{job['conclusion']}: {job['explanation']}", err=True)
    return job


def _cancel(client: Client, follower: Follower, job_id: str) -> dict[str, Any]:
    """Cancel a job and wait for its end; a second interrupt ends the wait."""
    tell(f"interrupted; cancelling {job_id}")
    try:
        follower.patiently(lambda: client.post(f"/api/jobs/{quoted(job_id)}/cancel"))
    except Refused as refused:
        if refused.status != HTTPStatus.CONFLICT:  # else it was completed a moment before
            fail(f"{refused}; {_goes_on(job_id)}", INTERRUPTED)
    except KeyboardInterrupt:
        fail(f"interrupted again; {_goes_on(job_id)}", INTERRUPTED)
    try:
        return _follow(follower, job_id)
    except KeyboardInterrupt:
        shows = f"`runnerhub status {job_id}` shows its end"
        fail(f"interrupted again; {job_id} is being cancelled: {shows}", INTERRUPTED)


def _tell_what_waits(job_id: str, ended: threading.Event) -> None:
    """Say why a queued job waits, whenever that changes."""
    import httpx

    client, told = Client(), ""
    while not ended.wait(LOOK_SECONDS):
        with suppress(RunnerHubError, OSError, httpx.HTTPError):
            job = client.job(job_id)
            if job["status"] != "queued":
                return
            if job["explanation"] != told:
                told = job["explanation"]
                typer.echo(f"queued: {told}", err=True)


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        fail(f"--env {text!r} is not of the form KEY=VALUE", 2)
    return key, value
