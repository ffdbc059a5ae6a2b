from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.github.description import Watcher
from tests.parts import npm
from tests.unit.sim_github.sut import HOOK, Sim, a_sim


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The folder with GitHub's description and clients."""
    return npm.packages()


@pytest.fixture
async def sim(node_modules: Path) -> AsyncIterator[Sim]:
    """A simulated GitHub, each of whose answers must be as GitHub describes it."""
    watcher = Watcher(node_modules)
    async with a_sim() as made:
        made.state.hooks.add("repo", "acme/web", HOOK, secret="s3cret")
        made.github.site.watchers.append(watcher)
        yield made
    assert watcher.objections == [], "\n".join(watcher.objections)
