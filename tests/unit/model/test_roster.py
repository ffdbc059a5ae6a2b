"""The roster chooses what a look at all hosts would choose, however it came to where it is."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from runnerhub.model.placement import HostView, PlacementClass, place
from runnerhub.model.roster import Roster

LABELS = st.frozensets(st.sampled_from(["linux", "gpu", "arm"]), max_size=3)
NAMES = ("a", "b", "c", "d", "e")

views = st.builds(
    HostView,
    st.sampled_from(NAMES),
    LABELS,
    st.just(4),
    st.integers(0, 4),
    st.sampled_from([None, None, None, "is draining"]),
    st.sampled_from([0.0, 2.0, 8.0]),
    st.sampled_from([0, 512, 4096]),
    st.booleans(),
    st.sampled_from([0.0, 1.0, 2.0]),
    st.sampled_from([0, 256, 512]),
)
classes = st.builds(
    PlacementClass,
    LABELS.map(lambda labels: tuple(sorted(labels))),
    st.sampled_from([0.0, 1.0, 4.0]),
    st.sampled_from([0, 256, 1024]),
)


@given(st.lists(st.tuples(st.lists(views, max_size=3), classes), max_size=30))
def test_it_chooses_as_a_look_at_all_hosts_would(
    steps: list[tuple[list[HostView], PlacementClass]],
) -> None:
    roster = Roster()
    known = {name: HostView(name, frozenset(), 4, 0) for name in NAMES}
    roster.note(known.values())
    for changed, wanted in steps:
        for view in changed:
            known[view.name] = view
        roster.note(changed)
        chosen = place(wanted, known.values())
        assert roster.choose(wanted) == (chosen if isinstance(chosen, HostView) else None)
        free = sum(view.free_slots for view in known.values() if view.trouble is None)
        assert roster.free_slots == free


def test_jobs_are_spread_one_by_one() -> None:
    roster, known = Roster(), {name: HostView(name, frozenset(), 2, 2) for name in "abc"}
    roster.note(known.values())
    chosen = []
    while (view := roster.choose(PlacementClass())) is not None:
        chosen.append(view.name)
        known[view.name] = replace(view, free_slots=view.free_slots - 1)
        roster.note([known[view.name]])
    assert "".join(chosen) == "abcabc"


def test_more_classes_than_are_remembered_are_no_trouble() -> None:
    roster = Roster()
    roster.note([HostView("a", frozenset(), 2, 2, cpus=2000.0)])
    assert all(roster.choose(PlacementClass(cpus=float(n))) for n in range(1100))
