"""Commands that look at a running node, or tell it something."""

import json
import sys
from typing import Annotated, Any

import typer

from runnerhub.cli.client import Client, plainly

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
JobId = Annotated[str, typer.Argument(help="The job's id.")]


def show_json(value: object) -> None:
    """Print a value as JSON."""
    typer.echo(json.dumps(value))


def show_table(rows: list[dict[str, Any]], *columns: str) -> None:
    """Print rows for people."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None)
    for column in columns:
        table.add_column(column, no_wrap=column in {"id", "name"})
    for row in rows:
        values = [row.get(column) for column in columns]
        table.add_row(*("" if value is None else _words(value) for value in values))
    # What a job or a host says is text, whatever brackets and colons stand in it.
    Console(markup=False, emoji=False).print(table)


def _words(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def jobs(
    *,
    status: Annotated[str | None, typer.Option(help="queued, in_progress or completed.")] = None,
    repository: Annotated[str | None, typer.Option(help="Of this repository only.")] = None,
    as_json: Json = False,
) -> None:
    """List jobs, newest first."""
    with plainly():
        page = Client().get("/api/jobs", status=status, repository=repository)
    if as_json:
        show_json(page)
    else:
        show_table(page["jobs"], "id", "repository", "phase", "conclusion", "host", "explanation")


def status(job_id: JobId, *, as_json: Json = False) -> None:
    """Show where a job stands, and why."""
    with plainly():
        job = Client().get(f"/api/jobs/{job_id}/status")
    if as_json:
        show_json(job)
        return
    for key, value in job.items():
        if isinstance(value, dict):
            for name, at in value.items():
                typer.echo(f"{name:>16}  {at or ''}")
        elif value is not None:
            typer.echo(f"{key:>16}  {value}")


def logs(
    job_id: JobId,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Until it is completed.")] = False,
) -> None:
    """Print a job's log."""
    with plainly():
        for part in Client().log(job_id, follow=follow):
            sys.stdout.buffer.write(part)
            sys.stdout.buffer.flush()


def cancel(job_id: JobId, *, as_json: Json = False) -> None:
    """Cancel a job; its sandbox is reaped."""
    with plainly():
        job = Client().post(f"/api/jobs/{job_id}/cancel")
    if as_json:
        show_json(job)
    else:
        typer.echo(f"{job_id}: cancel requested")


def dead_letters(
    *,
    requeue: Annotated[str | None, typer.Option(help="Make a new job of this one.")] = None,
    as_json: Json = False,
) -> None:
    """List jobs that were given up, or requeue one."""
    with plainly():
        client = Client()
        if requeue is not None:
            job = client.post(f"/api/dead-letters/{requeue}/requeue")
            if as_json:
                show_json(job)
            else:
                typer.echo(job["id"])
            return
        page = client.get("/api/dead-letters")
    if as_json:
        show_json(page)
    else:
        show_table(page["jobs"], "id", "repository", "reason", "attempt", "explanation")


def hosts(
    *,
    drain: Annotated[str | None, typer.Option(help="Let this host take no more jobs.")] = None,
    undrain: Annotated[str | None, typer.Option(help="Let it take jobs again.")] = None,
    as_json: Json = False,
) -> None:
    """List Docker hosts; drain or undrain one."""
    with plainly():
        client = Client()
        if drain is not None:
            client.post(f"/api/hosts/{drain}/drain")
        if undrain is not None:
            client.post(f"/api/hosts/{undrain}/undrain")
        found = client.get("/api/hosts")
    if as_json:
        show_json(found)
    else:
        rows = found["hosts"]
        show_table(rows, "name", "state", "slots", "free_slots", "labels", "detail", "warnings")


def tree(*, as_json: Json = False) -> None:
    """Show the running tree of actors."""
    with plainly():
        root = Client().get("/api/tree")
    if as_json:
        show_json(root)
    else:
        _branch(root, "", "")


def _branch(node: dict[str, Any], first: str, rest: str) -> None:
    figures = f"{node['phase']}, {node['handled']} handled, {node['mailbox_depth']} waiting"
    typer.echo(f"{first}{node['name']} ({node['kind']}: {figures}, {node['restarts']} restarts)")
    for number, child in enumerate(node["children"], 1):
        last = number == len(node["children"])
        _branch(child, rest + ("└─ " if last else "├─ "), rest + ("   " if last else "│  "))
