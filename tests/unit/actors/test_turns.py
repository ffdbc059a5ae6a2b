"""Classes share what is free, in the order of their weight, and none is overtaken by a batch."""

from hypothesis import given
from hypothesis import strategies as st

from runnerhub.actors.turns import AGING_MS, in_turn, shares
from runnerhub.ports.queue import QueueEntry


def entry(job_id: str, placement: str, priority: int = 50, minute: int = 0) -> QueueEntry:
    return QueueEntry(job_id, "o/r", placement, priority, minute * AGING_MS)


def test_the_weightiest_of_all_classes_comes_first() -> None:
    claimed = [entry("a1", "A", 50), entry("a2", "A", 10), entry("b1", "B", 20), entry("b2", "B")]
    assert [each.job_id for each in in_turn(claimed)] == ["a1", "b1", "b2", "a2"]


def test_a_minute_of_waiting_is_a_point() -> None:
    claimed = [entry("a1", "A", 50, 2), entry("b1", "B", 49, 0)]
    assert [each.job_id for each in in_turn(claimed)] == ["b1", "a1"]


def test_nothing_is_taken_before_what_may_wait_behind_a_share() -> None:
    claimed = [entry("a1", "A", 90), entry("b1", "B", 10), entry("b2", "B", 10)]
    assert [each.job_id for each in in_turn(claimed, {"A"})] == ["a1"]
    assert [each.job_id for each in in_turn(claimed, {"B"})] == ["a1", "b1", "b2"]


@given(
    st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 9)), max_size=20),
    st.integers(1, 6),
)
def test_a_batch_takes_the_first_of_what_all_claims_would_take(
    waiting: list[tuple[str, int]], share: int
) -> None:
    entries = [entry(str(n), key, weight) for n, (key, weight) in enumerate(waiting)]
    entries.sort(key=lambda each: -each.priority)
    whole = [each.priority for each in in_turn(entries)]
    of_each = {key: [each for each in entries if each.placement == key] for key in "AB"}
    claimed = [each for some in of_each.values() for each in some[:share]]
    more = {key for key, some in of_each.items() if len(some) > share}
    taken = [each.priority for each in in_turn(claimed, more)]
    assert taken == whole[: len(taken)]
    assert taken or not entries


def test_what_is_claimed_is_about_a_batch() -> None:
    assert shares({"A": 500, "B": 3}, 100, 64) == {"A": 32, "B": 3}
    assert shares({"A": 500}, 10, 64) == {"A": 10}
    assert sum(shares({str(n): 5 for n in range(200)}, 100, 64).values()) == 200
