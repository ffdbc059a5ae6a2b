"""Commands that look at a running node, or tell it something."""

from typing import Annotated, Any

import typer

from runnerhub.cli.client import TROUBLE, Client, fail, plainly, quoted, tell
from runnerhub.cli.follow import ContactLost, Follower
from runnerhub.cli.options import DEFAULT_PATIENCE, All, JobId, Json, Limit, Patience, most_of
from runnerhub.cli.output import JsonLog, RawLog, show_json, show_table


def jobs(
    *,
    status: Annotated[str | None, typer.Option(help="queued, in_progress or completed.")] = None,
    repository: Annotated[str | None, typer.Option(help="Of this repository only.")] = None,
    limit: Limit = None,
    everything: All = False,
    as_json: Json = False,
) -> None:
    """List jobs, newest first."""
    most = most_of(limit, everything)
    with plainly():
        page = Client().pages("/api/jobs", most, status=status, repository=repository)
    columns = ("id", "repository", "phase", "conclusion", "host", "explanation")
    _show_page(page, columns, as_json=as_json)


def _show_page(page: dict[str, Any], columns: tuple[str, ...], *, as_json: bool) -> None:
    if as_json:
        show_json(page)
        return
    show_table(page["jobs"], *columns)
    if page["next_cursor"] is not None:
        tell(f"these are the newest {len(page['jobs'])}; --limit N or --all shows more")


def status(job_id: JobId, *, as_json: Json = False) -> None:
    """Show where a job stands, and why."""
    with plainly():
        job = Client().job(job_id)
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
    attempt: Annotated[
        int | None, typer.Option(min=1, max=999, help="Of this attempt; else of the present one.")
    ] = None,
    patience: Patience = DEFAULT_PATIENCE,
    as_json: Annotated[
        bool, typer.Option("--json", help='Print {"line": "…"} for each line.')
    ] = False,
) -> None:
    """Print a job's log."""
    if follow and attempt is not None:
        fail("give --follow, which goes over all attempts, or --attempt", 2)
    out = JsonLog() if as_json else RawLog()
    with plainly():
        client = Client()
        try:
            if follow:
                Follower(client, job_id, out.write, patience).follow()
            else:
                with client.log(job_id, follow=False, attempt=attempt) as parts:
                    for part in parts:
                        out.write(part)
        except ContactLost as lost:
            fail(str(lost), TROUBLE)
        finally:
            if as_json:
                out.end_line()


def cancel(job_id: JobId, *, as_json: Json = False) -> None:
    """Cancel a job; its sandbox is reaped."""
    with plainly():
        job = Client().post(f"/api/jobs/{quoted(job_id)}/cancel")
    if as_json:
        show_json(job)
    else:
        typer.echo(f"{job_id}: cancel requested")


def dead_letters(
    *,
    requeue: Annotated[str | None, typer.Option(help="Make a new job of this one.")] = None,
    limit: Limit = None,
    everything: All = False,
    as_json: Json = False,
) -> None:
    """List jobs that were given up, or requeue one."""
    most = most_of(limit, everything)
    with plainly():
        client = Client()
        if requeue is not None:
            job = client.post(f"/api/dead-letters/{quoted(requeue)}/requeue")
            if as_json:
                show_json(job)
            else:
                typer.echo(job["id"])
            return
        page = client.pages("/api/dead-letters", most)
    columns = ("id", "repository", "reason", "attempt", "explanation")
    _show_page(page, columns, as_json=as_json)


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
            client.post(f"/api/hosts/{quoted(drain)}/drain")
        if undrain is not None:
            client.post(f"/api/hosts/{quoted(undrain)}/undrain")
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
