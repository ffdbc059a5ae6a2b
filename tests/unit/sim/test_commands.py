"""What a file says of commands: what it may say, and what containers then do."""

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from runnerhub.model.handover import hand_over, wait_command
from runnerhub.ports.engine import ContainerSpec
from runnerhub.sim.commands import Command, Commands, load_commands
from runnerhub.sim.engine import SimEngine
from runnerhub.sim.plan import BadPlan

FILE = """
[[command]]
command = "npm test*"
image = "busybox:*"
prints = "one\\ntwo\\n"
seconds = [20, 90]
exit_code = 3

[[command]]
command = "make"
seconds = 5.5
"""


def engine(*commands: Command) -> SimEngine:
    return SimEngine(commands=Commands(commands, "1/sim"))


async def ended(sim: SimEngine, name: str, *command: str) -> tuple[int | None, float, list[bytes]]:
    await sim.create_container(ContainerSpec(name, "busybox:1", {}, command))
    began = trio.current_time()
    await sim.start_container(name)
    async with sim.logs(name) as log:
        said = [entry.data async for entry in log]
    state = await sim.inspect_container(name)
    assert state is not None
    return state.exit_code, trio.current_time() - began, said


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "commands.toml"
    path.write_text(FILE)
    assert load_commands(path) == (
        Command("npm test*", "busybox:*", 1.0, "one\ntwo\n", (20, 90), 3),
        Command("make", seconds=(5.5, 5.5)),
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1", "[[command]]"),
        ("command = 1", "[[command]]"),
        ("command = [1]", "command 1: a table"),
        ("[[command]]\nrun = 1", "command 1: a table"),
        ("[[command]]\nimage = 1", "image: a text"),
        ("[[command]]\nexit_code = 256", "exit_code: 0 to 255"),
        ("[[command]]\nchance = 2", "chance: 0 to 1"),
        ("[[command]]\nseconds = [9, 1]", "seconds: a number or"),
        ("[[command]]\nseconds = true", "seconds: a number or"),
        ("[[", ""),
    ],
)
def test_mistakes_are_said(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "commands.toml"
    path.write_text(text)
    with pytest.raises(BadPlan) as told:
        load_commands(path)
    assert words in str(told.value)
    assert "\n" not in str(told.value)


async def test_the_first_that_matches_says_what_a_container_does(autojump_clock: MockClock) -> None:
    sim = engine(
        Command("npm*", "other:*", seconds=(1, 1)),
        Command("npm test*", prints="one\ntwo\n", seconds=(20, 90), exit_code=3),
        Command("npm*"),
    )
    code, seconds, said = await ended(sim, "a", "npm", "test", "--all")
    assert (code, said) == (3, [b"one\n", b"two\n"])
    assert 20 <= seconds <= 90
    assert await ended(sim, "b", "npm", "ci") == (0, 0.0, [])
    assert await ended(sim, "c", "echo", "x") == (0, 0.0, [b"x\n"])


async def test_a_chance_is_thrown_at_each_start_and_repeats(autojump_clock: MockClock) -> None:
    async def codes() -> list[int | None]:
        sim = engine(Command("make", chance=0.3, exit_code=1), Command("make"))
        return [(await ended(sim, f"c{number}", "make"))[0] for number in range(50)]

    first = await codes()
    assert 5 < sum(code or 0 for code in first) < 25
    assert await codes() == first


async def test_a_job_that_is_handed_over_does_it_too(autojump_clock: MockClock) -> None:
    sim = engine(Command(prints="said\n", seconds=(7, 7), exit_code=4))
    await sim.create_container(
        ContainerSpec("warm", "busybox:1", {}, wait_command("t0"), stdin=True)
    )
    await sim.start_container("warm")
    await trio.sleep(100)
    async with sim.open_stdin("warm") as stdin:
        await stdin.send(hand_over("t0", ("make",), {}))
    await trio.sleep(7.5)
    state = await sim.inspect_container("warm")
    assert state is not None
    assert state.exit_code == 4
