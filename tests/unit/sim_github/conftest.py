from collections.abc import AsyncIterator

import pytest

from tests.unit.sim_github.sut import HOOK, Sim, a_sim


@pytest.fixture
async def sim() -> AsyncIterator[Sim]:
    """A simulated GitHub whose repository acme/web tells of everything."""
    async with a_sim() as made:
        made.state.hooks.add("repo", "acme/web", HOOK, secret="s3cret")
        yield made
