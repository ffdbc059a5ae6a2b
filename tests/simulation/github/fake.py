"""GitHub's limits, in process: what they count, and every call that breaks one."""

import random
from collections import Counter, deque
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

import trio

from runnerhub.ports.github import Authorization, GitHubUnavailable, Request, Response

EPOCH = 1_790_000_000
MINUTE, HOUR = 60.0, 3600.0


def wall() -> float:
    return EPOCH + trio.current_time()


@dataclass
class Window:
    limit: int
    lasts: float = HOUR
    used: int = 0
    resets_at: float = 0.0


@dataclass
class Secondary:
    in_flight: int = 0
    most_in_flight: int = 0
    points: deque[tuple[float, int]] = field(default_factory=deque)
    most_points: int = 0


class FakeGitHub:
    """Count as GitHub does, per token; refuse what is over a limit, and remember it.

    Attributes:
        violations: (when, which limit) of each refused call.
        lost: how many of the next calls are carried out, and their answers lost.
        script: answers by path that stand in for 200.
    """

    def __init__(self, limit: int = 5000, latency: float = 0.1, seed: int = 1) -> None:
        self.limit = limit
        self.latency = latency
        self.rng = random.Random(seed)  # noqa: S311 - a simulation, no secret
        self.windows: dict[tuple[str, str], Window] = {}
        self.secondary: dict[str, Secondary] = {}
        self.violations: list[tuple[float, str]] = []
        self.calls: Counter[str] = Counter()
        self.seen: list[tuple[float, Request]] = []
        self.resources: dict[str, str] = {}
        self.limits: dict[str, int] = {}
        self.lost = 0
        self.unreachable = 0
        self.broken = 0
        self.etags: dict[str, str] = {}
        self.script: dict[tuple[str, str], Any] = {}

    async def send(
        self, request: Request, authorization: Authorization, etag: str | None = None
    ) -> Response:
        if self.unreachable:
            self.unreachable -= 1
            raise GitHubUnavailable("no connection", sent=False)
        secondary = self.secondary.setdefault(authorization.token, Secondary())
        secondary.in_flight += 1
        secondary.most_in_flight = max(secondary.most_in_flight, secondary.in_flight)
        try:
            await trio.sleep(self.latency * self.rng.random())
            answer = self._answer(request, authorization.token, secondary, etag)
            await trio.sleep(self.latency * self.rng.random())
        finally:
            secondary.in_flight -= 1
        if self.lost:
            self.lost -= 1
            raise GitHubUnavailable("the answer was lost")
        return answer

    def used(self, resource: str = "core", whose: str = "t") -> int:
        return self.windows[whose, resource].used

    def _answer(
        self, request: Request, token: str, secondary: Secondary, etag: str | None
    ) -> Response:
        self.calls[request.kind] += 1
        self.seen.append((trio.current_time(), request))
        if over := self._over_secondary(request, secondary):
            self.violations.append((trio.current_time(), over))
            return self._refuse("You have exceeded a secondary rate limit")
        resource = self.resources.get(request.kind, "core")
        limit = self.limits.get(resource, self.limit)
        window = self.windows.setdefault((token, resource), Window(limit))
        if trio.current_time() >= window.resets_at:
            window.used = 0
            window.resets_at = trio.current_time() + window.lasts
        current = self.etags.get(request.path)
        if current is not None and etag == current:
            return Response(304, self._headers(window, resource), None)
        if window.used >= window.limit:
            self.violations.append((trio.current_time(), "primary"))
            return Response(403, self._headers(window, resource), {"message": "API rate limit"})
        window.used += 1
        headers = self._headers(window, resource)
        if current is not None:
            headers["etag"] = current
        if self.broken:
            self.broken -= 1
            return Response(502, headers, {"message": "Bad Gateway"})
        scripted = self.script.get((request.method, request.path))
        if callable(scripted):
            scripted = scripted(request)
        if isinstance(scripted, Response):
            return Response(scripted.status, {**headers, **scripted.headers}, scripted.data)
        return Response(200, headers, scripted if scripted is not None else {"path": request.path})

    def _over_secondary(self, request: Request, secondary: Secondary) -> str | None:
        now = trio.current_time()
        while secondary.points and secondary.points[0][0] <= now - MINUTE:
            secondary.points.popleft()
        secondary.points.append((now, 1 if request.method == "GET" else 5))
        total = sum(points for _, points in secondary.points)
        secondary.most_points = max(secondary.most_points, total)
        if secondary.in_flight > 100:
            return "in flight"
        return "points" if total > 900 else None

    def _refuse(self, message: str) -> Response:
        return Response(403, {"date": formatdate(wall(), usegmt=True)}, {"message": message})

    def _headers(self, window: Window, resource: str) -> dict[str, str]:
        return {
            "date": formatdate(int(wall()), usegmt=True),
            "x-ratelimit-limit": str(window.limit),
            "x-ratelimit-remaining": str(window.limit - window.used),
            "x-ratelimit-used": str(window.used),
            "x-ratelimit-reset": str(int(EPOCH + window.resets_at)),
            "x-ratelimit-resource": resource,
        }
