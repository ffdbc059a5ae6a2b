"""Jobs that are pretended. What becomes of one stands in its name.

build             success after a second
build 5s          after five seconds; also 250ms
build fail        failure; also `skipped`, `timed_out`, `neutral`
build hang        it runs until it is cancelled
build stubborn    it heeds no cancel and no TERM, and runs on
build crash       after its time the runner exits 1 without a word
build silent      after its time the runner says nothing any more, and stays
build linger      it is reported, and the runner stays
"""

from __future__ import annotations

import math
import re
from threading import Event
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .report import Report

_CONCLUSIONS = {"fail": "failure", "failure": "failure"}
_CONCLUSIONS.update({name: name for name in ("skipped", "timed_out", "neutral", "success")})
_TIME = re.compile(r"(\d+(?:\.\d+)?)(ms|s)")


class Plan(NamedTuple):
    """What becomes of a job.

    Attributes:
        seconds: how long it runs.
        conclusion: what is reported.
        heeds_cancel: whether a cancel ends it.
        reports: whether its end is reported.
        stays: whether the runner is still there when its job is over.
    """

    seconds: float
    conclusion: str = "success"
    heeds_cancel: bool = True
    reports: bool = True
    stays: bool = False


def plan(name: str, seconds: float = 1.0) -> Plan:
    """Return what becomes of a job of a name; `seconds` is for those that do not say."""
    made = Plan(seconds)
    for word in re.split(r"[\s,()/]+", name.lower()):
        timed = _TIME.fullmatch(word)
        if timed:
            made = made._replace(seconds=float(timed[1]) / (1000 if timed[2] == "ms" else 1))
        elif word in _CONCLUSIONS:
            made = made._replace(conclusion=_CONCLUSIONS[word])
        elif word in ("hang", "stubborn"):
            made = made._replace(seconds=math.inf, heeds_cancel=word == "hang")
        elif word in ("crash", "silent", "linger"):
            made = made._replace(reports=word == "linger", stays=word != "crash")
    return made


def pretend(chosen: Plan, report: Report, cancelled: Event) -> str:
    """Pretend to run a job; return its conclusion, when it is over or was cancelled."""
    report.begin("only", "Pretend")
    report.line(f"for {chosen.seconds:g} s, then {chosen.conclusion}")
    report.flush()
    wakes = cancelled if chosen.heeds_cancel else Event()
    wakes.wait(None if math.isinf(chosen.seconds) else chosen.seconds)
    conclusion = "cancelled" if wakes.is_set() else chosen.conclusion
    if chosen.reports:
        report.end("only", "Pretend", conclusion)
    return conclusion
