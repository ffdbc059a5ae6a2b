"""Register a just-in-time runner, although the answer may be lost.

POST name ─▶ 201                         done
          ─▶ no answer                   it may exist: POST the same name again
          ─▶ 409, after a lost answer    it is ours: delete it by name, POST again
          ─▶ 409, otherwise              somebody else's: leave it alone, take another name
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
import trio

from runnerhub.model.budget import Priority
from runnerhub.ports.github import GitHub, GitHubRefused, GitHubUnavailable, Request

log = structlog.get_logger(__name__)

MOST_LOST = 5
MOST_TAKEN = 3
FIRST_PAUSE = 0.25
NOT_FOUND, CONFLICT, BUSY = 404, 409, 422


@dataclass(frozen=True, slots=True)
class JitRunner:
    """A runner that is registered and has not started.

    Attributes:
        config: the blob for `run.sh --jitconfig`: a secret.
    """

    runner_id: int
    name: str
    config: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class JitWish:
    """What runner is wanted.

    Attributes:
        scope: `/repos/OWNER/NAME`, `/orgs/NAME` or `/enterprises/NAME`.
    """

    scope: str
    labels: Sequence[str]
    group: int = 1
    work_folder: str = "_work"


async def create_jit_runner(
    github: GitHub, wish: JitWish, name: str, another: Callable[[], str]
) -> JitRunner:
    """Register a runner under a name, or under another where somebody else has it.

    When it is cancelled, or raises, a runner under the last name may exist: remove it by name.

    Args:
        github: the gateway.
        wish: what is wanted.
        name: chosen, and written down, before; unique in the cluster.
        another: chooses the next name, and writes it down.

    Raises:
        GitHubRefused: the group, the labels or the permissions are wrong.
        GitHubUnavailable: no answer that counts, in several tries.
        RateLimited: not within the patience of a request.
    """
    lost = taken = 0
    ours = False  # an answer was lost: what bears the name may be what we made
    while True:
        try:
            answer = await github.call(_creation(wish, name))
        except GitHubUnavailable:
            lost += 1
            if lost > MOST_LOST:
                raise
            ours = True
            await trio.sleep(FIRST_PAUSE * 2**lost)
        except GitHubRefused as error:
            if error.status != CONFLICT:
                raise
            if ours and await remove_runner_by_name(github, wish.scope, name):
                ours = False  # the name is free: whoever has it next time is somebody else
                continue
            taken += 1
            if taken > MOST_TAKEN:
                raise
            log.info("runner's name is taken", action="jit_name_taken", name=name)
            name, ours = another(), False
        else:
            data = answer.data
            return JitRunner(data["runner"]["id"], name, data["encoded_jit_config"])


async def remove_runner_by_name(github: GitHub, scope: str, name: str) -> bool:
    """Deregister the runner of this very name; tell whether the name is free.

    Raises:
        GitHubUnavailable: as `GitHub.call`, and so with its other errors.
    """
    found = await github.call(
        Request(
            "GET",
            f"{scope}/actions/runners",
            {"name": name, "per_page": 100},
            kind="runner_by_name",
            priority=Priority.DISPATCH,
            cached=False,
        )
    )
    runners: list[Any] = found.data["runners"]
    for runner in runners:
        # An older Enterprise Server ignores the filter, so it is applied once more.
        if runner["name"] == name and not await remove_runner(github, scope, runner["id"]):
            return False
    return True


async def remove_runner(github: GitHub, scope: str, runner_id: int) -> bool:
    """Deregister a runner; tell whether it is gone: false when it is busy.

    Raises:
        GitHubUnavailable: as `GitHub.call`, and so with its other errors.
    """
    try:
        await github.call(
            Request(
                "DELETE",
                f"{scope}/actions/runners/{runner_id}",
                kind="runner_removal",
                priority=Priority.DISPATCH,
            )
        )
    except GitHubRefused as error:
        if error.status == BUSY:
            return False
        if error.status != NOT_FOUND:
            raise
    return True


def _creation(wish: JitWish, name: str) -> Request:
    body = {
        "name": name,
        "runner_group_id": wish.group,
        "labels": list(wish.labels),
        "work_folder": wish.work_folder,
    }
    path = f"{wish.scope}/actions/runners/generate-jitconfig"
    return Request("POST", path, body=body, kind="jit", priority=Priority.DISPATCH)
