"""GitHub's rate limits: the primary ones by the hour, and the secondary ones."""

import math
from collections import deque
from dataclasses import dataclass, field

from runnerhub.sim.github.access import Access, Caller
from runnerhub.sim.github.clock import iso
from runnerhub.sim.github.core import Core
from runnerhub.sim.github.places import Places
from runnerhub.sim.github.refusals import Refusal

HOUR, MINUTE = 3600.0, 60.0
CORE, REGISTRATION = "core", "actions_runner_registration"
FREE = "free"  # of what draws on none
_OTHERS = {
    "search": (30, MINUTE), "code_search": (10, MINUTE), "graphql": (5000, HOUR),
    REGISTRATION: (10_000, HOUR), "integration_manifest": (5000, HOUR),
    "source_import": (100, MINUTE), "scim": (15_000, HOUR), "dependency_snapshots": (100, MINUTE),
    "dependency_sbom": (100, MINUTE), "code_scanning_autofix": (10, MINUTE),
}  # fmt: skip
_MOST_VIOLATIONS = 10_000


@dataclass(slots=True)
class Window:
    """What was used of a primary limit until it resets."""

    limit: int
    resource: str
    resets_at: float
    used: int = 0

    def headers(self) -> dict[str, str]:
        """Return the headers that tell of it."""
        return {
            "x-ratelimit-limit": str(self.limit),
            "x-ratelimit-remaining": str(max(0, self.limit - self.used)),
            "x-ratelimit-used": str(self.used),
            "x-ratelimit-reset": str(math.ceil(self.resets_at)),
            "x-ratelimit-resource": self.resource,
        }

    def json(self) -> dict[str, int]:
        """Return it as `/rate_limit` does."""
        remaining = max(0, self.limit - self.used)
        reset = math.ceil(self.resets_at)
        return {"limit": self.limit, "used": self.used, "remaining": remaining, "reset": reset}


@dataclass(frozen=True, slots=True)
class Violation:
    """A call that broke a limit. `which` names the limit."""

    at: float
    caller: str
    which: str
    route: str

    def json(self) -> dict[str, str]:
        """Return it for the control API."""
        return {"at": iso(self.at), "caller": self.caller, "which": self.which, "route": self.route}


@dataclass(slots=True)
class Rules:
    """The secondary limits; `strict` counts points over all endpoints together.

    `status` is that of a refusal, 403 or 429.
    """

    in_flight: int = 100
    points_a_minute: int = 900
    content_a_minute: int = 80
    content_an_hour: int = 500
    registrations_in_five_minutes: int = 1500
    strict: bool = True
    retry_after: int = 60
    status: int = 403


@dataclass(slots=True)
class _Tally:
    in_flight: int = 0
    silent_until: float = 0.0
    counts: dict[str, deque[tuple[float, int]]] = field(default_factory=dict)
    sums: dict[str, int] = field(default_factory=dict)

    def add(self, what: str, now: float, within: float, points: int) -> int:
        """Count, and return the sum within so many seconds."""
        seen = self.counts.setdefault(what, deque())
        seen.append((now, points))
        total = self.sums.get(what, 0) + points
        while seen[0][0] <= now - within:
            total -= seen.popleft()[1]
        self.sums[what] = total
        return total


class Limits:
    """All limits of all callers.

    Attributes:
        overrides: limits by (caller's key or `*`, resource).
        violations: every call that broke one, the latest ten thousand.
        most_points: the most points that a caller took within a minute.
    """

    def __init__(self, core: Core, places: Places, access: Access) -> None:
        self._core = core
        self._places = places
        self._access = access
        self._windows: dict[tuple[str, str], Window] = {}
        self._tallies: dict[str, _Tally] = {}
        self.rules = Rules()
        self.overrides: dict[tuple[str, str], int] = {}
        self.violations: deque[Violation] = deque(maxlen=_MOST_VIOLATIONS)
        self.most_points = 0

    # ------------------------------------------------------------------ secondary

    def enter(self, caller: Caller, method: str, route: str, *, content: bool) -> None:
        """Count a call that begins. Whoever calls this calls `leave` as well, also if it raises.

        Raises:
            Refusal: a secondary limit.
        """
        now, rules = self._core.now(), self.rules
        tally = self._tallies.setdefault(caller.key, _Tally())
        tally.in_flight += 1
        if now < tally.silent_until:
            self._refuse(caller, "retry-after", route, tally)
        where = "" if rules.strict else route
        points = tally.add(f"points{where}", now, MINUTE, 1 if method in ("GET", "HEAD") else 5)
        self.most_points = max(self.most_points, points)
        if tally.in_flight > rules.in_flight:
            self._refuse(caller, "in flight", route, tally)
        if points > rules.points_a_minute:
            self._refuse(caller, "points", route, tally)
        if content:
            minute = tally.add("content", now, MINUTE, 1)
            hour = tally.add("content an hour", now, HOUR, 1)
            if minute > rules.content_a_minute or hour > rules.content_an_hour:
                self._refuse(caller, "content", route, tally)

    def leave(self, caller: Caller) -> None:
        """Count a call that ends."""
        self._tallies[caller.key].in_flight -= 1

    def register(self, caller: Caller, scope: str, route: str) -> None:
        """Count the registration of a runner.

        Raises:
            Refusal: more than 1,500 in five minutes.
        """
        tally = self._tallies.setdefault(f"scope:{scope}", _Tally())
        count = tally.add("registrations", self._core.now(), 5 * MINUTE, 1)
        if count > self.rules.registrations_in_five_minutes:
            self._refuse(caller, "registrations", route, tally)

    def _refuse(self, caller: Caller, which: str, route: str, tally: _Tally) -> None:
        now, rules = self._core.now(), self.rules
        self.violations.append(Violation(now, caller.key, which, route))
        if which != "retry-after":
            tally.silent_until = now + rules.retry_after
        left = max(1, math.ceil(tally.silent_until - now))
        raise Refusal(
            rules.status,
            "You have exceeded a secondary rate limit. Please wait a few minutes before you try"
            " again.",
            {"retry-after": str(left)},
        )

    # ------------------------------------------------------------------ primary

    def window(self, caller: Caller, resource: str) -> Window:
        """Return the window of a limit, a new one when it is time."""
        key = (caller.key, resource)
        found = self._windows.get(key)
        now = self._core.now()
        if found is None or now >= found.resets_at:
            lasts = HOUR if resource == CORE else _OTHERS.get(resource, (0, HOUR))[1]
            found = Window(0, resource, now + lasts)
            self._windows[key] = found
        found.limit = self._limit(caller, resource)
        return found

    def check(self, caller: Caller, resource: str, route: str) -> Window:
        """Return the window that a call draws on.

        Raises:
            Refusal: it is used up.
        """
        window = self.window(caller, resource)
        if window.used >= window.limit:
            self.violations.append(Violation(self._core.now(), caller.key, "primary", route))
            raise Refusal(
                self.rules.status, f"API rate limit exceeded for {caller.key}.", window.headers()
            )
        return window

    def overview(self, caller: Caller) -> dict[str, dict[str, int]]:
        """Return all limits of a caller, as `/rate_limit` does."""
        return {name: self.window(caller, name).json() for name in (CORE, *_OTHERS)}

    def _limit(self, caller: Caller, resource: str) -> int:
        for key in (caller.key, "*"):
            if (key, resource) in self.overrides:
                return self.overrides[key, resource]
        if resource != CORE:
            return _OTHERS.get(resource, (5000, HOUR))[0]
        if caller.kind == "none":
            return 60
        if caller.installation is not None:
            of_owner = self._places.repositories(caller.installation.account.login)
            count = sum(caller.installation.covers(each) for each in of_owner)
            return min(12_500, 5000 + 50 * max(0, count - 20))
        return 5000
