"""The hosts by free slots, so that a host for a job is found without a look at all of them.

`place` looks at every host and is the rule; a roster chooses what `place` would choose among the
views that it was last told. Hosts with the same labels, cores and memory are of one kind; whether
a kind can take a class at all is found out once, and each kind is kept in order.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable

from runnerhub.model.placement import HostView, PlacementClass, refuse, refuse_reserving

_Kind = tuple[frozenset[str], float, int]
_Rank = tuple[int, int, str]  # less is better: fewer slots taken away, earlier in the order told

CLASSES_REMEMBERED = 1024


class Roster:
    """Hosts that may take jobs. Told of views, it chooses; it changes nothing by choosing."""

    def __init__(self) -> None:
        self._views: dict[str, HostView] = {}
        self._places: dict[str, int] = {}
        self._kinds: dict[_Kind, list[_Rank]] = {}
        self._fitting: dict[PlacementClass, list[list[_Rank]]] = {}
        self.free_slots = 0

    def note(self, views: Iterable[HostView]) -> None:
        """Be told how hosts are now. The same view again costs next to nothing."""
        known = self._views
        for view in views:
            before = known.get(view.name)
            if before is not view:
                self._forget(before)
                known[view.name] = view
                self._rank(view)

    def choose(self, wanted: PlacementClass) -> HostView | None:
        """Return the host with the most free slots that takes the class, as `place` does."""
        best: _Rank | None = None
        for ranks in self._fitting_kinds(wanted):
            for rank in ranks:
                if best is not None and rank >= best:
                    break
                view = self._views[rank[2]]
                if not view.reserves or refuse_reserving(wanted, view) is None:
                    best = rank
                    break
        return None if best is None else self._views[best[2]]

    def _rank(self, view: HostView) -> None:
        place = self._places.setdefault(view.name, len(self._places))
        if view.trouble is not None or view.free_slots <= 0:
            return
        kind = _kind(view)
        ranks = self._kinds.get(kind)
        if ranks is None:
            ranks = self._kinds[kind] = []
            self._fitting.clear()
        insort(ranks, (-view.free_slots, place, view.name))
        self.free_slots += view.free_slots

    def _forget(self, view: HostView | None) -> None:
        if view is None or view.trouble is not None or view.free_slots <= 0:
            return
        ranks = self._kinds[_kind(view)]
        rank = (-view.free_slots, self._places[view.name], view.name)
        del ranks[bisect_left(ranks, rank)]
        self.free_slots -= view.free_slots
        if not ranks:
            del self._kinds[_kind(view)]
            self._fitting.clear()

    def _fitting_kinds(self, wanted: PlacementClass) -> list[list[_Rank]]:
        fitting = self._fitting.get(wanted)
        if fitting is None:
            if len(self._fitting) >= CLASSES_REMEMBERED:
                self._fitting.clear()
            fitting = self._fitting[wanted] = [
                ranks for kind, ranks in self._kinds.items() if _could_take(wanted, kind)
            ]
        return fitting


def _kind(view: HostView) -> _Kind:
    return view.labels, view.cpus, view.memory_mb


def _could_take(wanted: PlacementClass, kind: _Kind) -> bool:
    labels, cpus, memory_mb = kind
    empty = HostView("", labels, 1, 1, cpus=cpus, memory_mb=memory_mb)
    return refuse(wanted, empty) is None
