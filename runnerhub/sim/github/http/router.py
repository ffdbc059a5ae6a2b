"""Which handler answers what."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from runnerhub.sim.github.http.call import Call
    from runnerhub.sim.github.http.messages import Answer

Handler: TypeAlias = "Callable[[Call], Answer | Awaitable[Answer]]"


@dataclass(frozen=True, slots=True)
class Route:
    """A route.

    Attributes:
        door: which rules it is under: rest, scale, or control.
        template: as GitHub's description writes it, such as `/repos/{owner}/{repo}`.
        needs: the permission, such as `administration:write`; empty for none.
        resource: which primary limit it draws on.
        content: whether it counts as content creation.
        auth: what credential it takes: any, user (a PAT or an installation), app, installation.
    """

    method: str
    template: str
    handler: Handler
    door: str = "rest"
    needs: str = ""
    resource: str = "core"
    content: bool = False
    auth: str = "user"

    @property
    def name(self) -> str:
        """Return what it is called in logs and faults."""
        return f"{self.method} {self.template}"


class Routes:
    """A table of routes."""

    def __init__(self) -> None:
        self._by_shape: dict[tuple[str, int], list[tuple[tuple[str, ...], Route]]] = {}

    def add(self, routes: Sequence[Route]) -> None:
        """Add routes. Of two that match, the one with fewer blanks goes first."""
        for route in routes:
            parts = tuple(route.template.strip("/").split("/"))
            same = self._by_shape.setdefault((route.method, len(parts)), [])
            same.append((parts, route))
            same.sort(key=lambda each: sum(part.startswith("{") for part in each[0]))

    def find(self, method: str, segments: tuple[str, ...]) -> tuple[Route, dict[str, str]] | None:
        """Return the route of a request, and what fills its blanks."""
        for parts, route in self._by_shape.get((method, len(segments)), ()):
            if all(p.startswith("{") or p == s for p, s in zip(parts, segments, strict=True)):
                filled = zip(parts, segments, strict=True)
                return route, {p[1:-1]: s for p, s in filled if p.startswith("{")}
        return None
