"""Jobs of a benchmark, and what their timestamps say."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from bench.measure import percentile
from bench.result import Better, Figure

PHASES = {
    "queued": ("accepted", "claimed"),
    "placed": ("claimed", "placed"),
    "image": ("placed", "image_ready"),
    "create": ("image_ready", "created"),
    "start": ("created", "started"),
    "run": ("started", "exited"),
    "reap": ("exited", "reaped"),
    "life": ("accepted", "reaped"),
}
PERCENTS = (50, 95, 99)


def body(
    number: int | str, command: Iterable[str], *, image: str = "busybox", **execution: object
) -> dict[str, Any]:
    """Return a job; 50 repositories take turns."""
    repository = f"acme/r{hash(number) % 50}"
    made = {"kind": "command", "image": image, "command": list(command), **execution}
    return {"external_id": f"b-{number}", "repository": repository, "execution": made}


def seconds_at(job: Mapping[str, Any], step: str) -> float:
    """Return when a job reached a step, in Unix seconds. Raises ValueError when it did not."""
    text = job["timestamps"][step]
    if text is None:
        raise ValueError(f"{job['id']} was never {step}: {job['phase']}, {job['explanation']}")
    return datetime.fromisoformat(text).timestamp()


def between(jobs: Iterable[Mapping[str, Any]], begin: str, end: str) -> list[float]:
    """Return the milliseconds from one step to another, of each job."""
    return [(seconds_at(job, end) - seconds_at(job, begin)) * 1000 for job in jobs]


def expect_success(jobs: Iterable[Mapping[str, Any]]) -> None:
    """Raise RuntimeError unless every job succeeded at its first attempt."""
    for job in jobs:
        if job["conclusion"] != "success" or job["attempt"] != 1:
            raise RuntimeError(f"not a success at once: {job}")


def spread(name: str, milliseconds: Iterable[float]) -> Iterator[Figure]:
    """Yield percentiles."""
    values = list(milliseconds)
    for percent in PERCENTS:
        value = percentile(values, percent)
        yield Figure(f"{name}.p{percent}", value, "ms", Better.LOWER)


def phase_figures(prefix: str, jobs: Iterable[Mapping[str, Any]]) -> Iterator[Figure]:
    """Yield percentiles of the time that jobs spent in each phase."""
    found = list(jobs)
    for phase, (begin, end) in PHASES.items():
        yield from spread(f"{prefix}.{phase}", between(found, begin, end))
