"""What the demo shows: jobs while they run, and the count at the end."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group
from rich.table import Table

from runnerhub.sim.github.things import Job


def live_view(
    jobs: Sequence[Mapping[str, Any]], names: Mapping[str, str], workflow_jobs: Sequence[Job]
) -> Group:
    """Return the tables of the jobs that were posted, and of those that GitHub queued."""
    posted = Table("job", "name", "phase", "host", "conclusion", "explanation", box=None)
    for job in jobs:
        posted.add_row(
            job["id"][-8:],
            names[job["id"]],
            job["phase"],
            job["host"] or "",
            job["conclusion"] or "",
            (job["explanation"] or "")[:60],
        )
    queued = Table("workflow job", "told by", "at GitHub", "runner", "conclusion", box=None)
    for each in workflow_jobs:
        queued.add_row(
            each.name,
            "webhook" if each.scale_set_id is None else "scale set",
            each.status,
            each.runner_name or "",
            each.conclusion or "",
        )
    return Group(posted, queued)


def print_summary(console: Console, summary: Mapping[str, Any]) -> None:
    """Print the figures, the conclusions and what is left."""
    table = Table("phase", "p50 ms", "p99 ms", box=None)
    for name, figures in summary["phases"].items():
        table.add_row(name, f"{figures['p50_ms']:.0f}", f"{figures['p99_ms']:.0f}")
    github = summary["github"]
    if github["pickup"]:
        p50, p99 = github["pickup"]["p50_ms"], github["pickup"]["p99_ms"]
        table.add_row("queued at GitHub, until a runner took it", f"{p50:.0f}", f"{p99:.0f}")
    console.print()
    console.print(table)
    console.print(
        f"{summary['jobs']} jobs on {summary['hosts']} hosts: {_words(summary['conclusions'])}"
    )
    console.print(
        f"{github['jobs']} workflow jobs, their steps {github['steps']}, on {github['hosts']}"
        f" hosts: {_words(github['conclusions'])}"
    )
    if github["steps"] == "real":
        console.print("from the log of the first:")
        for line in github["log"]:
            if line != "##[endgroup]":
                said = line.replace("##[group]", "▸ ")
                console.print(f"  {said}", markup=False, highlight=False)
    runners = dict(github["runners"])
    spare = runners.pop("cancelled", 0)
    console.print(
        f"their runners, a job of RunnerHub each: {_words(runners)}"
        + (f", {spare} not needed, as another took the job" if spare else "")
    )
    console.print(f"left behind on the hosts and at GitHub: {_words(summary['leaked'])}")
    console.print("all is well" if summary["ok"] else "[bold red]NOT as it should be[/]")


def _words(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())
