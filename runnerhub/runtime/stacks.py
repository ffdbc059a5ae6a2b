"""Where one actor stands in its code: the frames of its task, and of the tasks that it opened.

Names of functions and lines only. Values of variables are never read: they may be secrets.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import trio
from trio.lowlevel import Task

from runnerhub.runtime.life import Life

MOST_TASKS = 16
MOST_FRAMES = 32
TRAPS = trio.lowlevel.wait_task_rescheduled.__code__.co_filename


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame, the outermost first."""

    file: str
    line: int
    function: str


@dataclass(frozen=True, slots=True)
class TaskStack:
    """The frames of one task; `level` is 0 for the actor's own, 1 for those that it opened, …."""

    name: str
    level: int
    frames: tuple[Frame, ...]


def stacks(life: Life) -> tuple[TaskStack, ...]:
    """Return the stacks of one actor: at most 16 tasks of 32 frames; none when it has ended.

    A supervisor's children are actors of their own, and are left out.
    """
    if life.task is None:
        return ()
    return tuple(
        TaskStack(task.name, level, tuple(islice(_frames(task), MOST_FRAMES)))
        for level, task in islice(_tasks(life.task, 0), MOST_TASKS)
    )


def _tasks(task: Task, level: int) -> Iterator[tuple[int, Task]]:
    yield level, task
    for nursery in task.child_nurseries:
        for below in _own(nursery):
            yield from _tasks(below, level + 1)


def _own(nursery: trio.Nursery) -> Iterator[Task]:
    # A life is a task that runs `Life.live`; whatever hangs below it is another actor's.
    tasks = sorted(islice(nursery.child_tasks, MOST_TASKS), key=lambda task: task.name)
    for task in tasks:
        if getattr(task.coro, "cr_code", None) is not Life.live.__code__:
            yield task


def _frames(task: Task) -> Iterator[Frame]:
    for frame, line in task.iter_await_frames():
        code = frame.f_code
        if code.co_filename == TRAPS:
            return  # from here on it is trio that waits, and always in the same words
        yield Frame(code.co_filename, line, code.co_qualname)
