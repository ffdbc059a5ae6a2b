"""Percentiles for the demo's summary."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

PHASES = {
    "queue": ("accepted", "claimed"),
    "image": ("placed", "image_ready"),
    "create": ("image_ready", "created"),
    "start": ("created", "started"),
    "run": ("started", "exited"),
    "reap": ("exited", "reaped"),
    "whole": ("accepted", "reaped"),
}


def phase_figures(jobs: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Return the figures of each phase that some job went through."""
    return {name: found for name in PHASES if (found := figures(_spent(jobs, name)))}


def figures(milliseconds: Iterable[float]) -> dict[str, float] | None:
    """Return the median and the 99th percentile; None of nothing."""
    spent = sorted(milliseconds)
    if not spent:
        return None
    p99 = spent[min(len(spent) - 1, int(len(spent) * 0.99))]
    return {"p50_ms": round(statistics.median(spent), 1), "p99_ms": round(p99, 1)}


def _spent(jobs: Sequence[Mapping[str, Any]], phase: str) -> list[float]:
    begin, end = PHASES[phase]
    return [
        (_seconds(stamps[end]) - _seconds(stamps[begin])) * 1000
        for job in jobs
        if (stamps := job["timestamps"]).get(begin) and stamps.get(end)
    ]


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()
