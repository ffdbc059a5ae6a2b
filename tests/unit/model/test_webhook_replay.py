"""Which deliveries GitHub should send again."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from runnerhub.model.webhook_replay import REDELIVERABLE, Attempt, lost, read_attempts, without

NOW = datetime(2026, 1, 10, tzinfo=UTC)


def attempt(number: int, guid: str = "g", code: int = 502, **more: Any) -> Attempt:
    at = NOW - timedelta(minutes=more.pop("minutes", 60))
    return Attempt(number, guid, more.pop("event", "workflow_job"), at, code)


def test_what_failed_is_lost_once_the_last_attempt_the_oldest_first() -> None:
    given_ = [
        attempt(5, "b"),
        attempt(3, "a"),
        attempt(4, "a", 500, minutes=50),
        attempt(6, "c", 202),
        attempt(7, "d"),
        attempt(8, "d", 200),
        attempt(9, "e", 0),
        attempt(10, "f", event="star"),
        attempt(11, "h", minutes=0),
    ]
    assert [each.id for each in lost(given_, NOW)] == [4, 5]
    assert [each.id for each in without(lost(given_, NOW), {"a"})] == [5]


def test_none_is_tried_too_often_or_too_late() -> None:
    assert lost([attempt(n) for n in range(1, 4)], NOW)
    assert not lost([attempt(n) for n in range(1, 5)], NOW)
    old = REDELIVERABLE.total_seconds() / 60
    assert lost([attempt(1, minutes=old - 1)], NOW)
    assert not lost([attempt(1, minutes=old + 1)], NOW)
    assert not lost([attempt(1, minutes=old + 1), attempt(2)], NOW)


def test_a_page_is_read() -> None:
    row: dict[str, Any] = {
        "id": 12345678,
        "guid": "0b989ba4-242f-11e5-81e1-c7b6966d2516",
        "delivered_at": "2019-06-03T00:57:16Z",
        "redelivery": True,
        "duration": 0.27,
        "status": "OK",
        "status_code": 200,
        "event": "issues",
        "action": "opened",
    }
    (found,) = read_attempts([row, {}, None, row | {"id": "x"}])
    at = datetime(2019, 6, 3, 0, 57, 16, tzinfo=UTC)
    assert found == Attempt(12345678, row["guid"], "issues", at, 200, redelivery=True)


anything = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "guid", "event", "delivered_at", "status_code"]), inner
        )
    ),
)


@given(anything)
def test_whatever_is_listed_is_no_error(raw: Any) -> None:
    for found in read_attempts(raw):
        lost([found], NOW)
