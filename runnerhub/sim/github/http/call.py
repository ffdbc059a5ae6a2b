"""A request on its way to its handler, and what handlers need."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

from runnerhub.sim.github.access import Caller
from runnerhub.sim.github.http.messages import Answer, Request
from runnerhub.sim.github.http.router import Route
from runnerhub.sim.github.refusals import not_found
from runnerhub.sim.github.state import State
from runnerhub.sim.github.things import Repository, Scope

T = TypeVar("T")
MOST_A_PAGE = 100


@dataclass(slots=True)
class Call:
    """A request. `names` is what fills the blanks of its route."""

    state: State
    request: Request
    route: Route
    names: dict[str, str]
    caller: Caller

    def number(self, name: str) -> int:
        """Return a number from the path.

        Raises:
            Refusal: 404, it is none.
        """
        text = self.names[name]
        if not text.isdecimal():
            raise not_found()
        return int(text)

    def repository(self) -> Repository:
        """Return the repository that the path names.

        Raises:
            Refusal: 404.
        """
        return self.state.places.repository(self.names["owner"], self.names["repo"])

    def scope(self) -> Scope:
        """Return the scope that the path names.

        Raises:
            Refusal: 404.
        """
        if "repo" in self.names:
            return self.state.places.scope("repo", f"{self.names['owner']}/{self.names['repo']}")
        if "org" in self.names:
            return self.state.places.scope("org", self.names["org"])
        return self.state.places.scope("enterprise", self.names["enterprise"])

    def page(self, things: Sequence[T]) -> tuple[list[T], dict[str, str]]:
        """Return the page that is asked for, and the `Link` header."""
        size = min(MOST_A_PAGE, max(1, self.request.number("per_page", 30)))
        last = max(1, -(-len(things) // size))
        page = max(1, self.request.number("page", 1))
        links: dict[str, int] = {}
        if page > 1:
            links |= {"prev": min(page - 1, last), "first": 1}
        if page < last:
            links |= {"next": page + 1, "last": last}
        header = ", ".join(f'<{self.url(page=n)}>; rel="{rel}"' for rel, n in links.items())
        headers = {"link": header} if header else {}
        return list(things[(page - 1) * size : page * size]), headers

    def url(self, **parameters: object) -> str:
        """Return the URL of this request with other parameters."""
        query = urlencode(self.request.query | {k: str(v) for k, v in parameters.items()})
        return f"{self.state.core.url}{self.request.path}?{query}"

    def listed(self, name: str, things: Sequence[Any], shape: Any) -> Answer:  # noqa: ANN401
        """Answer with a page of things under a name, beside their `total_count`."""
        page, headers = self.page(things)
        data = {"total_count": len(things), name: [shape(each) for each in page]}
        return Answer(200, data, headers)
