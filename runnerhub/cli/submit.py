"""`runnerhub submit`: run a job, follow its log, and end with its exit code."""

import json
import secrets
import sys
import threading
from contextlib import suppress
from typing import Annotated, Any

import typer

from runnerhub.cli.client import TROUBLE, Client, fail, plainly
from runnerhub.errors import RunnerHubError

EXIT_CODES = {"timed_out": 124, "cancelled": 130}
LOOK_SECONDS = 1.0


def submit(  # noqa: PLR0913 - one parameter for each option
    command: Annotated[list[str] | None, typer.Argument(help="The command, after --.")] = None,
    *,
    image: Annotated[str, typer.Option(help="The image it runs in.")],
    env: Annotated[list[str] | None, typer.Option(help="KEY=VALUE; repeatable.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="Label of the host; repeatable.")] = None,
    cpus: Annotated[float | None, typer.Option(help="Cores.")] = None,
    memory_mb: Annotated[int | None, typer.Option(help="Memory, in MiB.")] = None,
    network: Annotated[str, typer.Option(help="isolated, egress or none.")] = "isolated",
    timeout: Annotated[float | None, typer.Option(help="Seconds it may run.")] = None,
    priority: Annotated[int, typer.Option(help="0 to 100; larger goes first.")] = 50,
    repository: Annotated[str, typer.Option(help="Whose turn it takes.")] = "local/submit",
    external_id: Annotated[str | None, typer.Option(help="Unique in the repository.")] = None,
    follow: Annotated[bool, typer.Option(help="Follow the log to the end.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the job as JSON, last.")] = False,
) -> None:
    """Run a command in a sandbox. Exits as it does; 124 timeout, 130 cancelled, 125 our trouble."""
    resources = {k: v for k, v in {"cpus": cpus, "memory_mb": memory_mb}.items() if v is not None}
    body: dict[str, Any] = {
        "external_id": external_id or f"submit-{secrets.token_hex(8)}",
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
        job = client.post("/api/jobs/delegate", body)
        if follow:
            typer.echo(f"{job['id']} accepted", err=True)
            job = _follow(client, job["id"])
        if as_json:
            typer.echo(json.dumps(job))
        elif not follow:
            typer.echo(job["id"])
    raise typer.Exit(exit_code(job) if follow else 0)


def exit_code(job: dict[str, Any]) -> int:
    """Return the exit code that tells how a job ended."""
    if job["conclusion"] == "success":
        return 0
    if job["conclusion"] in EXIT_CODES:
        return EXIT_CODES[job["conclusion"]]
    return job["exit_code"] or TROUBLE


def _follow(client: Client, job_id: str) -> dict[str, Any]:
    ended = threading.Event()
    teller = threading.Thread(target=_tell_what_waits, args=(job_id, ended), daemon=True)
    teller.start()
    try:
        for part in client.log(job_id, follow=True):
            sys.stdout.buffer.write(part)
            sys.stdout.buffer.flush()
    finally:
        ended.set()
    job = client.get(f"/api/jobs/{job_id}/status")
    typer.echo(f"{job['conclusion']}: {job['explanation']}", err=True)
    return job


def _tell_what_waits(job_id: str, ended: threading.Event) -> None:
    """Say why a queued job waits, whenever that changes."""
    import httpx

    client, told = Client(), ""
    while not ended.wait(LOOK_SECONDS):
        with suppress(RunnerHubError, OSError, httpx.HTTPError):
            job = client.get(f"/api/jobs/{job_id}/status")
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
