import math
import re
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

import runnerhub
from runnerhub.runtime import CleanupTimeout, cleanup, cleanup_together, run_cleanup, shielded


async def test_s45_it_runs_though_cancelled(autojump_clock: MockClock) -> None:
    done = False
    with trio.CancelScope() as scope:
        scope.cancel()
        try:
            await trio.sleep_forever()
        finally:
            with cleanup(trio.current_time() + 10) as state:
                await trio.sleep(5)
                done = True
    assert done
    assert not state.timed_out


async def test_s45_and_gives_the_result(autojump_clock: MockClock) -> None:
    async def work(number: int) -> int:
        await trio.sleep(1)
        return number + 1

    with trio.CancelScope() as scope:
        scope.cancel()
        assert await run_cleanup(work, 1, deadline_at=trio.current_time() + 2) == 2


async def test_s46_the_deadline_cuts_it_and_tells(autojump_clock: MockClock) -> None:
    began = trio.current_time()
    with trio.CancelScope() as scope:
        scope.cancel()
        with cleanup(began + 3) as state:
            await trio.sleep(100)
        assert state.timed_out
        assert state.deadline_at == began + 3
        with pytest.raises(CleanupTimeout, match="sleep_forever"):
            await run_cleanup(trio.sleep_forever, deadline_at=began + 5)
    assert trio.current_time() - began == pytest.approx(5)


async def test_s46_a_failure_is_no_timeout(autojump_clock: MockClock) -> None:
    with pytest.raises(ValueError, match="no"), shielded(1.0) as state:
        raise ValueError("no")
    assert not state.timed_out


async def test_s47_deadlines_do_not_add_up(autojump_clock: MockClock) -> None:
    began = trio.current_time()
    with cleanup(began + 4) as outer:
        for _ in range(3):
            with shielded(100.0) as inner:
                assert inner.deadline_at == began + 4
                await trio.sleep(3)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_long_clean_up)
    assert trio.current_time() - began == pytest.approx(4)
    assert inner.timed_out
    assert not outer.timed_out  # its body ran to its end: what was cut is inside
    with shielded(1.0) as later:  # and nothing of it stays behind
        assert later.deadline_at == pytest.approx(trio.current_time() + 1)


async def _long_clean_up() -> None:
    with shielded(math.inf):
        await trio.sleep(100)


async def test_s48_parallel_clean_up_runs_everything(autojump_clock: MockClock) -> None:
    done: list[str] = []

    async def part(name: str, seconds: float, *, fails: bool = False) -> None:
        await trio.sleep(seconds)
        if fails:
            raise ValueError(name)
        done.append(name)

    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.cancel_scope.cancel()
        with pytest.raises(ExceptionGroup) as caught:
            await cleanup_together(
                lambda: part("a", 3),
                lambda: part("b", 1, fails=True),
                lambda: part("c", 2),
                lambda: part("d", 2, fails=True),
                deadline_at=began + 10,
            )
    assert [str(error) for error in caught.value.exceptions] == ["b", "d"]
    assert done == ["c", "a"]
    assert trio.current_time() - began == pytest.approx(3)


async def test_s48_within_its_deadline(autojump_clock: MockClock) -> None:
    began = trio.current_time()
    with pytest.raises(CleanupTimeout):
        await cleanup_together(trio.sleep_forever, deadline_at=began + 2)
    assert trio.current_time() - began == pytest.approx(2)


async def test_s50_a_cancellation_waits_for_the_end_of_the_shield(
    autojump_clock: MockClock,
) -> None:
    reached: list[str] = []
    with trio.move_on_after(1):
        with shielded(5.0):
            await trio.sleep(3)
            reached.append("inside")
        reached.append("after")
        await trio.lowlevel.checkpoint()
        reached.append("past the checkpoint")
    assert reached == ["inside", "after"]


def test_there_is_one_shield() -> None:
    package = Path(runnerhub.__file__).parent
    shields = [
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if re.search(r"\bshield\s*=\s*True", path.read_text())
    ]
    assert shields == ["runtime/cleanup.py"]
