"""The secondary limits, the line, and what answers say."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runnerhub.model.alone_limiter import AloneLimiter, margin
from runnerhub.model.budget import Bucket, Curve, Priority
from runnerhub.model.limit_headers import Refusal, refusal, reported
from runnerhub.model.limiter import Limiter
from runnerhub.model.permit import Demand, Reported, Settlement, Standing
from runnerhub.model.priority_line import MOST_OVERTAKES, PriorityLine
from runnerhub.model.secondary import Rate, SecondaryLimits, rates, silence

CORE = Bucket("c", "core")
LIMITS = SecondaryLimits({"jit": 1.0}, frozenset({"comment"}))

calls = st.lists(
    st.tuples(
        st.floats(0.0, 5.0),
        st.sampled_from(Priority),
        st.sampled_from(["GET", "POST"]),
        st.sampled_from(["jit", "comment", "runs"]),
    ),
    min_size=1,
    max_size=400,
)


@given(calls)
def test_no_span_sees_more_than_github_allows(
    wanted: list[tuple[float, Priority, str, str]],
) -> None:
    limiter, now = Limiter(), 1000.0
    limiter.settle(Settlement("p", CORE, answered=True), now)
    gone: list[tuple[float, str, str]] = []
    for number, (pause, priority, method, kind) in enumerate(wanted):
        now += pause / 50
        demand = Demand(
            str(number), CORE, "n", rates=rates(LIMITS, priority, method, kind), in_flight=10**6
        )
        if limiter.acquire(demand, now).granted:
            gone.append((now, method, kind))
    for start, _, _ in gone:
        span = [call for call in gone if start <= call[0] < start + 60]
        assert sum(1 if method == "GET" else 5 for _, method, _ in span) <= 900
        writes = [call for call in span if call[1] == "POST"]
        assert sum(kind == "comment" for _, _, kind in writes) <= 80
        second = [c for c in writes if c[2] == "jit" and c[0] < start + 1 - 1e-6]
        assert len(second) <= 1


@given(st.floats(0.01, 10), st.floats(0, 100), st.integers(1, 5), st.floats(0, 1e4))
def test_after_its_wait_a_call_may_go(
    interval: float, tolerance: float, units: int, ahead: float
) -> None:
    rate, now = Rate("k", interval, tolerance, units), 1e5
    wait = rate.wait(now + ahead, now)
    assert rate.wait(now + ahead, now + wait) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("strikes", "after", "expected"),
    [(1, None, 60), (2, None, 120), (5, None, 900), (10**6, None, 900), (3, 7.0, 7), (1, 0.0, 1)],
)
def test_silence_grows_to_a_cap(strikes: int, after: float | None, expected: float) -> None:
    assert silence(strikes, after) == expected


@given(st.lists(st.sampled_from(Priority), max_size=300), st.randoms(use_true_random=False))
def test_nobody_is_overtaken_for_ever(arrivals: list[Priority], rng: random.Random) -> None:
    line: PriorityLine[int] = PriorityLine()
    waiting: dict[int, Priority] = {}
    overtaken: dict[int, int] = {}
    number = 0
    while arrivals or waiting:
        for _ in range(rng.randint(0, 3) if arrivals else 0):
            if arrivals:
                priority = arrivals.pop()
                line.add((priority, ""), number)
                waiting[number], overtaken[number] = priority, 0
                number += 1
        if not waiting:
            continue
        lane = line.lanes()[0]
        first = line.head(lane)
        assert first == min(n for n, p in waiting.items() if p is lane[0])
        assert line.take(lane) == first
        del waiting[first]
        for other, priority in waiting.items():
            if priority > lane[0] and other < first:
                overtaken[other] += 1
    # The first of a lane is overtaken by so many; those behind it wait for those before it too.
    assert len(line) == 0


def test_the_first_of_a_lane_is_overtaken_so_often_and_no_more() -> None:
    line: PriorityLine[str] = PriorityLine()
    line.add((Priority.SYNC, ""), "sync")
    order = []
    for number in range(MOST_OVERTAKES + 5):
        line.add((Priority.DISPATCH, ""), f"d{number}")
        order.append(line.take(line.lanes()[0]))
    assert order.index("sync") == MOST_OVERTAKES
    assert line.remove("d20")
    assert not line.remove("d20")


def test_headers_are_read_by_githubs_own_clock() -> None:
    headers = {
        "date": "Tue, 21 Nov 2023 22:13:20 GMT",
        "x-ratelimit-limit": "5000",
        "x-ratelimit-remaining": "4999",
        "x-ratelimit-reset": "1700605000",
        "x-ratelimit-resource": "core",
    }
    assert reported(headers, now=0.0) == ("core", Reported(5000, 4999, 1700605000, 201.0))
    assert reported({}, now=0.0) is None
    assert reported({**headers, "x-ratelimit-limit": "many"}, now=0.0) is None
    for name, value in (
        ("limit", "-1"), ("limit", "9" * 30), ("remaining", "9" * 5000), ("reset", "inf"),
        ("reset", "nan"), ("reset", "1e999"),
    ):  # fmt: skip
        assert reported({**headers, f"x-ratelimit-{name}": value}, now=0.0) is None
    far = reported({**headers, "x-ratelimit-reset": "9" * 20}, now=0.0)
    assert far is not None
    assert far[1].left == 86400.0
    for date in ("never", "", "Tue, 21 Nov 2023 22:13:20 +99999999"):
        late = reported({**headers, "date": date}, now=1700604990.0)
        assert late is not None
        assert late[1].left == 11.0
    del headers["date"], headers["x-ratelimit-resource"]
    assert reported(headers, now=1700604990.0) == ("core", Reported(5000, 4999, 1700605000, 11.0))


@pytest.mark.parametrize(
    ("status", "headers", "words", "expected"),
    [
        (200, {"x-ratelimit-remaining": "0"}, "", None),
        (403, {}, "Resource not accessible by integration", None),
        (403, {"x-ratelimit-remaining": "0"}, "API rate limit", Refusal(secondary=False)),
        (403, {"x-ratelimit-remaining": "9"}, "a secondary rate limit", Refusal(secondary=True)),
        (403, {"retry-after": "30"}, "x", Refusal(secondary=True, retry_after=30)),
        (429, {}, "", Refusal(secondary=True)),
        (429, {"retry-after": "Tue"}, "", Refusal(secondary=True)),
        (429, {"retry-after": "inf"}, "", Refusal(secondary=True, retry_after=86400)),
        (429, {"retry-after": "nan"}, "", Refusal(secondary=True, retry_after=0)),
        (429, {"retry-after": "-5"}, "", Refusal(secondary=True, retry_after=0)),
        (
            429,
            {"retry-after": "9", "x-ratelimit-remaining": "0"},
            "",
            Refusal(secondary=False, retry_after=9),
        ),
    ],
)
def test_refusals_are_told_apart(
    status: int, headers: dict[str, str], words: str, expected: Refusal | None
) -> None:
    assert refusal(status, headers, words) == expected


@given(st.integers(1, 8), st.integers(0, 5000), st.lists(st.integers(0, 7), max_size=600))
def test_nodes_that_are_alone_spend_no_more_than_was_left(
    nodes: int, remaining: int, turns: list[int]
) -> None:
    parts = [AloneLimiter(nodes) for _ in range(nodes)]
    for part in parts:
        part.inherit(CORE, Standing(5000, remaining, 1800.0), 7, 0, 0.0)
    left = remaining
    for number, turn in enumerate(turns * 10):
        part = parts[turn % nodes]
        permit = str(number)
        if part.acquire(Demand(permit, CORE, "n", in_flight=90), 1.0).granted:
            left -= 1
            report = Reported(5000, left, 7, 1799.0)
            part.settle(Settlement(permit, CORE, reported=report, answered=True), 1.0)
    assert left >= 0


@given(st.integers(2, 8), st.integers(0, 200), st.lists(st.integers(0, 7), max_size=60))
def test_what_was_kept_back_is_there_for_dispatch_though_no_part_is_left(
    nodes: int, left: int, turns: list[int]
) -> None:
    parts = [AloneLimiter(nodes) for _ in range(nodes)]
    for part in parts:
        part.inherit(CORE, Standing(5000, left, 600.0), 7, 5000, 0.0)
    rest = Curve(base=0.01)
    flying: dict[int, str] = {}
    for number, turn in enumerate([*turns, *range(nodes)] * 10):
        node, permit = turn % nodes, str(number)
        part = parts[node]
        assert not part.acquire(Demand("x", CORE, "n", curve=rest, in_flight=90), 1.0).granted
        if node in flying:  # the answer to what this node began at its last turn
            report = Reported(5000, left, 7, 599.0)
            done = Settlement(flying.pop(node), CORE, reported=report, answered=True)
            part.settle(done, 1.0)
        if part.acquire(Demand(permit, CORE, "n", in_flight=90), 1.0).granted:
            left, flying[node] = left - 1, permit
            second = part.acquire(Demand("y", CORE, "n", in_flight=90), 1.0)
            assert not second.granted, "one at a time"
    assert left >= 0
    if len(turns) >= 40:  # enough turns to use up whatever there was
        assert left < 2 * nodes


def test_what_others_may_have_drawn_meanwhile_is_not_there() -> None:
    part = AloneLimiter(2)
    part.inherit(CORE, Standing(5000, 50, 600.0), 7, 5000, 0.0, rate=0.5, age=5.0)
    assert part.acquire(Demand("a", CORE, "n"), 30.0).granted  # 50 less 2 · 0.5 · 35 at the most
    part = AloneLimiter(2)
    part.inherit(CORE, Standing(5000, 50, 3000.0), 7, 5000, 0.0, rate=0.5, age=5.0)
    assert part.acquire(Demand("a", CORE, "n"), 60.0).why == "budget"


def test_a_node_that_is_alone_stops_early_and_asks_before_it_trusts() -> None:
    part = AloneLimiter(2)
    part.inherit(CORE, Standing(5000, 2000, 1800.0), 7, 0, 0.0)
    assert part.look(CORE, None, 0.0).remaining == 1000
    done = Settlement("a", CORE, reported=Reported(5000, 99, 7, 1800.0), answered=True)
    assert part.settle(done, 1.0).remaining == 0
    part.inherit(CORE, Standing(5000, 2000, 1800.0), 7, 0, 100.0)
    one, other = Demand("b", CORE, "n", in_flight=90), Demand("c", CORE, "n", in_flight=90)
    assert part.acquire(one, 120.0).granted
    assert part.acquire(other, 120.0).why == "unknown"
    new = Reported(5000, 5000, 3607, 3600.0)
    assert part.settle(Settlement("b", CORE, reported=new, answered=True), 121.0).remaining == 2500
    assert [margin(limit) for limit in (10, 200, 5000, 15000)] == [5, 100, 100, 300]
