"""The whole site: finds the route, asks whether the caller may, counts, lets faults strike."""

import hashlib
import inspect
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any, TypeAlias

import trio

from runnerhub.sim.github.access import NOBODY, Caller
from runnerhub.sim.github.faults import RestFaults
from runnerhub.sim.github.http.call import Call
from runnerhub.sim.github.http.gate import authorize
from runnerhub.sim.github.http.messages import JSON, Answer, Request
from runnerhub.sim.github.http.router import Route, Routes
from runnerhub.sim.github.limits import CORE, FREE, Window
from runnerhub.sim.github.refusals import Refusal, not_found
from runnerhub.sim.github.state import State

API_VERSION = "2022-11-28"
_DOCUMENTATION = "https://docs.github.com/rest"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that was answered, for whoever watches. `route` is None when there is none."""

    request: Request
    route: Route | None
    caller: Caller
    answer: Answer


Watcher: TypeAlias = Callable[[Exchange], None]


class Site:
    """Answers requests.

    Attributes:
        watchers: called with every exchange.
        calls: how many, by route.
    """

    def __init__(self, state: State, routes: Routes) -> None:
        self.state = state
        self._routes = routes
        self.watchers: list[Watcher] = []
        self.calls: Counter[str] = Counter()

    async def answer(self, request: Request) -> Answer:
        """Answer a request. Cancelling it gives up what it waits for."""
        self.state.core.agenda.run_due()
        found = self._routes.find(request.method, request.segments)
        if found is None and request.method == "HEAD":
            found = self._routes.find("GET", request.segments)
        route, names = found if found is not None else (None, {})
        call = None
        caller = NOBODY
        try:
            if route is None:
                raise not_found()
            self.calls[route.name] += 1
            if route.door == "rest":
                caller = self.state.access.who(request.headers.get("authorization"))
            call = Call(self.state, request, route, names, caller)
            answer = await self._under_rules(call)
        except Refusal as refusal:
            answer = _refused(refusal, route)
        self._finish(answer)
        for watch in self.watchers:
            watch(Exchange(request, route, caller, answer))
        return answer

    async def _under_rules(self, call: Call) -> Answer:
        door = call.route.door
        if door == "control":
            return await _handle(call)
        plan = self.state.core.faults.plan
        if door == "scale":
            return await self._with_faults(call, plan.scale_sets)
        limits = self.state.limits
        try:
            limits.enter(
                call.caller, call.request.method, call.route.name, content=call.route.content
            )
            return await self._limited(call, plan.rest)
        finally:
            limits.leave(call.caller)

    async def _limited(self, call: Call, shares: RestFaults) -> Answer:
        route = call.route
        if route.resource == FREE:
            window = self.state.limits.window(call.caller, CORE)
            return _with_limits(await self._with_faults(call, shares), window, call.caller)
        window = self.state.limits.check(call.caller, route.resource, route.name)
        window.used += 1
        try:
            authorize(call)
            answer = await self._with_faults(call, shares)
        except Refusal as refusal:
            refusal.headers = window.headers() | refusal.headers
            raise
        if _unchanged(call.request, answer):
            window.used -= 1
        return _with_limits(answer, window, call.caller)

    async def _with_faults(self, call: Call, shares: RestFaults) -> Answer:
        struck = self.state.core.faults.of_call(call.route.name, shares)
        if "slow" in struck:
            await trio.sleep(shares.slow_seconds)
        if "forbidden" in struck or "too_many" in struck:
            status = 403 if "forbidden" in struck else 429
            message = "You have exceeded a secondary rate limit. Please wait a few minutes."
            raise Refusal(status, message, {"retry-after": str(shares.retry_after)})
        if "error" in struck:
            return Answer(502, {"message": "Server Error"})
        answer = await _handle(call)
        answer.lost = "lost" in struck
        return answer

    def _finish(self, answer: Answer) -> None:
        headers = answer.headers
        headers.setdefault("date", formatdate(self.state.core.now(), usegmt=True))
        headers.setdefault("server", "github.com")
        headers.setdefault("x-github-request-id", self.state.core.hex(16).upper())
        if answer.data is not None and not isinstance(answer.data, bytes):
            headers.setdefault("content-type", JSON)


async def _handle(call: Call) -> Answer:
    result: Any = call.route.handler(call)
    if inspect.isawaitable(result):
        result = await result
    if not isinstance(result, Answer):
        raise TypeError(f"{call.route.name} answered {result!r}")
    return result


def _unchanged(request: Request, answer: Answer) -> bool:
    """Give an answer to GET its ETag; turn it into a 304 when the caller has it already."""
    if request.method not in ("GET", "HEAD") or answer.status != 200:  # noqa: PLR2004
        return False
    etag = f'W/"{hashlib.sha256(answer.body()).hexdigest()}"'
    answer.headers |= {"etag": etag, "cache-control": "private, max-age=60, s-maxage=60"}
    if request.headers.get("if-none-match", "").removeprefix("W/") != etag.removeprefix("W/"):
        return False
    answer.status, answer.data, answer._body = 304, None, None  # noqa: SLF001
    return True


def _with_limits(answer: Answer, window: Window, caller: Caller) -> Answer:
    answer.headers |= window.headers()
    answer.headers["x-github-api-version-selected"] = API_VERSION
    answer.headers["x-github-media-type"] = "github.v3; format=json"
    if caller.scopes is not None:
        answer.headers["x-oauth-scopes"] = ", ".join(sorted(caller.scopes))
    return answer


def _refused(refusal: Refusal, route: Route | None) -> Answer:
    status, message = refusal.status, refusal.message
    if route is not None and route.door == "scale":
        return Answer(status, {"typeName": refusal.kind, "message": message}, refusal.headers)
    data = {"message": message, "documentation_url": _DOCUMENTATION, "status": str(status)}
    return Answer(status, data, refusal.headers)
