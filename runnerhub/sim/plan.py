"""A schedule of faults, read from a file.

seed = 7                        decides every chance below; another seed, another run

[[fault]]
kind = "slow_create"            see KINDS
chance = 0.02                   at each occasion; or
at_seconds = 10.0               once, at the first occasion from then on; or
every_seconds = 30.0            again and again, so long apart on average
hosts = ["host-000*"]           on these only
seconds = 5.0                   how long it takes
from_seconds, until_seconds     only in this time, counted from the start
on = ["/logs", "/events"]       stall and reset: only requests whose path holds one of these
live_restore = true             restart: containers run on
"""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from runnerhub.errors import RunnerHubError

# What can go wrong, and how many seconds it takes by default. Those of TIMED have no occasion.
KINDS: Mapping[str, float] = {
    "slow_create": 5.0,
    "failed_create": 0.0,
    "late_create": 5.0,
    "restart": 3.0,
    "stall": 10.0,
    "reset": 0.0,
    "lost_event": 0.0,
    "doubled_event": 0.0,
    "disk_full": 30.0,
    "out_of_memory": 1.0,
    "hanging_pull": 60.0,
}
TIMED = frozenset({"restart", "disk_full"})
_ON_REQUESTS = frozenset({"stall", "reset"})
_WHEN = ("chance", "at_seconds", "every_seconds")


class BadPlan(RunnerHubError):
    """A file of faults that says what nobody understands."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault, and when it strikes. One of `chance`, `at` and `every` is given."""

    kind: str
    hosts: tuple[str, ...] = ("*",)
    chance: float | None = None
    at_seconds: float | None = None
    every_seconds: float | None = None
    seconds: float = 0.0
    from_seconds: float = 0.0
    until_seconds: float = math.inf
    on: tuple[str, ...] = ()
    live_restore: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """All faults of a run."""

    seed: int = 0
    faults: tuple[Fault, ...] = field(default=())


def load_plan(path: Path) -> Plan:
    """Read a file of faults.

    Raises:
        BadPlan: it cannot be read, or says what nobody understands; in one line.
    """
    try:
        found = tomllib.loads(path.read_text())
    except OSError as error:
        raise BadPlan(f"{path}: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeError) as error:
        raise BadPlan(f"{path}: {error}") from None
    try:
        return parse_plan(found)
    except BadPlan as error:
        raise BadPlan(f"{path}: {error}") from None


def parse_plan(found: Mapping[str, Any]) -> Plan:
    """Read what a file of faults holds; raise BadPlan."""
    _only(found, {"seed", "fault"}, "")
    seed, faults = found.get("seed", 0), found.get("fault", [])
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise BadPlan(f"seed: a whole number is needed, not {seed!r}")
    if not isinstance(faults, list) or not all(isinstance(each, dict) for each in faults):
        raise BadPlan("fault: write each as a table [[fault]]")
    return Plan(seed, tuple(_fault(each, number) for number, each in enumerate(faults, 1)))


def _fault(found: Mapping[str, Any], number: int) -> Fault:
    where = f"fault {number}: "
    _only(found, {each.name for each in fields(Fault)}, where)
    kind = str(found.get("kind"))
    if kind not in KINDS:
        raise BadPlan(f"{where}kind {kind!r} is none of {', '.join(KINDS)}")
    given = [name for name in _WHEN if name in found]
    if len(given) != 1:
        raise BadPlan(f"{where}one of {', '.join(_WHEN)} is needed")
    if kind in TIMED and "chance" in found:
        raise BadPlan(f"{where}{kind} strikes by the clock: at_seconds or every_seconds, no chance")
    if "on" in found and kind not in _ON_REQUESTS:
        raise BadPlan(f"{where}on is for {' and '.join(sorted(_ON_REQUESTS))} only")
    if "live_restore" in found and kind != "restart":
        raise BadPlan(f"{where}live_restore is for restart only")
    values: dict[str, Any] = {"seconds": KINDS[kind]}
    for name, value in found.items():
        values[name] = _value(name, value, where)
    return Fault(**values)


def _value(name: str, value: object, where: str) -> object:
    if name == "kind":
        return value
    if name in ("hosts", "on"):
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise BadPlan(f"{where}{name}: a list of texts is needed, not {value!r}")
        return tuple(value)
    if name == "live_restore":
        if not isinstance(value, bool):
            raise BadPlan(f"{where}{name}: true or false is needed, not {value!r}")
        return value
    if not isinstance(value, int | float) or isinstance(value, bool) or not value >= 0:
        raise BadPlan(f"{where}{name}: a number of 0 or more is needed, not {value!r}")
    if name == "chance" and value > 1:
        raise BadPlan(f"{where}chance: {value!r} is more than 1")
    if name == "every_seconds" and value == 0:
        raise BadPlan(f"{where}every_seconds: it must be more than 0")
    return float(value)


def _only(found: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(set(found) - known)
    if unknown:
        raise BadPlan(f"{where}{unknown[0]!r} is not known; known are {', '.join(sorted(known))}")
