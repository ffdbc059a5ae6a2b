"""Which host takes a job, and the words for why none does."""

import pytest

from runnerhub.model.placement import (
    HostView,
    PlacementClass,
    Refusal,
    explain_waiting,
    parse_class,
    place,
    refuse,
)


def host(name: str = "h1", **more: object) -> HostView:
    fields: dict[str, object] = {"labels": frozenset({"linux"}), "slots": 4, "free_slots": 2}
    return HostView(name, **(fields | more))  # type: ignore[arg-type]


def test_most_free_slots_wins() -> None:
    chosen = place(PlacementClass(), [host("a", free_slots=1), host("b", free_slots=3)])
    assert isinstance(chosen, HostView)
    assert chosen.name == "b"


@pytest.mark.parametrize(
    ("wanted", "view", "why", "lasting"),
    [
        (PlacementClass(("gpu",)), host(), "lacks the label gpu", True),
        (PlacementClass(cpus=8), host(cpus=4.0), "has 4 cpus, not 8", True),
        (PlacementClass(memory_mb=9), host(memory_mb=8), "has 8 MiB of memory, not 9", True),
        (PlacementClass(), host(trouble="is draining"), "is draining", False),
        (PlacementClass(), host(free_slots=0), "all 4 slots are taken", False),
        (
            PlacementClass(cpus=2),
            host(cpus=4.0, reserves=True, taken_cpus=3.0),
            "has 3 cpus reserved",
            False,
        ),
        (
            PlacementClass(memory_mb=600),
            host(memory_mb=1000, reserves=True, taken_memory_mb=500),
            "has 500 MiB of memory reserved",
            False,
        ),
    ],
)
def test_each_refusal_has_its_words(
    wanted: PlacementClass, view: HostView, why: str, *, lasting: bool
) -> None:
    assert refuse(wanted, view) == Refusal("h1", why, lasting)


def test_limits_alone_set_nothing_aside() -> None:
    view = host(cpus=4.0, taken_cpus=4.0, memory_mb=1000, taken_memory_mb=1000)
    assert refuse(PlacementClass(cpus=4, memory_mb=1000), view) is None


def test_waiting_in_vain_is_said() -> None:
    assert explain_waiting(PlacementClass(("gpu",)), [host()]).startswith("no host can ever run it")
    assert "no Docker host is configured" in explain_waiting(PlacementClass(), [])


def test_a_class_survives_its_key() -> None:
    wanted = PlacementClass(("a", "b"), 1.5, 512)
    assert parse_class(wanted.key) == wanted
