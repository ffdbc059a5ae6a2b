"""`ports.runners.Runners` over the gateway: runners of repositories, organisations, enterprises."""

from runnerhub.actors.github.jit import (
    JitWish,
    create_jit_runner,
    remove_runner_by_name,
)
from runnerhub.model.runner import RunnerWish
from runnerhub.ports.github import (
    GitHub,
    GitHubNotConfigured,
    GitHubRefused,
    GitHubUnavailable,
    RateLimited,
)
from runnerhub.ports.runners import Registration, RunnerRefused, Runners, RunnersUnavailable


class NameStays(Exception):
    """A runner bears the name, and is not to be renamed."""


class Registrar(Runners):
    """Register runners, under names that nobody else gives.

    Args:
        github: the gateway.
        scale_sets: registers those that go through a scale set; None where there are none.
    """

    def __init__(self, github: GitHub, scale_sets: Runners | None = None) -> None:
        self._github = github
        self._scale_sets = scale_sets

    async def register(self, wish: RunnerWish, name: str) -> Registration:
        """Register a runner; one that is left of an earlier try is replaced."""
        if wish.scale_set is not None:
            return await self._through(wish).register(wish, name)
        try:
            try:
                return await self._create(wish, name)
            except NameStays:
                # Only we give this name, so it is what an earlier try left.
                if not await remove_runner_by_name(self._github, wish.scope, name):
                    raise RunnersUnavailable(f"the runner {name} is busy") from None
                return await self._create(wish, name)
        except NameStays:
            raise RunnersUnavailable(f"the name {name} stays taken") from None
        except (GitHubRefused, GitHubNotConfigured) as error:
            raise RunnerRefused(str(error)) from error
        except (GitHubUnavailable, RateLimited) as error:
            raise RunnersUnavailable(str(error)) from error

    async def deregister(self, wish: RunnerWish, name: str) -> bool:
        """Deregister the runner of this name; tell whether none is left."""
        if wish.scale_set is not None:
            return await self._through(wish).deregister(wish, name)
        try:
            return await remove_runner_by_name(self._github, wish.scope, name)
        except (GitHubRefused, GitHubNotConfigured) as error:
            raise RunnerRefused(str(error)) from error
        except (GitHubUnavailable, RateLimited) as error:
            raise RunnersUnavailable(str(error)) from error

    async def _create(self, wish: RunnerWish, name: str) -> Registration:
        def another() -> str:
            raise NameStays

        jit = JitWish(wish.scope, wish.labels, wish.group)
        made = await create_jit_runner(self._github, jit, name, another)
        return Registration(made.runner_id, made.config)

    def _through(self, wish: RunnerWish) -> Runners:
        if self._scale_sets is None:
            raise RunnerRefused(f"no scale set is configured, not {wish.scale_set} either")
        return self._scale_sets
