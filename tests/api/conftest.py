"""The API over a whole tree on simulated ports, under a mock clock."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from quart import Response
from quart_trio import QuartTrio
from trio.testing import MockClock

from runnerhub.api.app import create_app
from runnerhub.api.auth import Tokens
from runnerhub.config import Settings
from tests.api.promises import Promises
from tests.simulation.cluster import Cluster, Life

SECRET = "a secret of at least thirty-two characters"


@dataclass
class Door:
    """The API, and what is behind it."""

    app: QuartTrio
    tokens: Tokens
    cluster: Cluster
    life: Life
    promises: Promises

    async def ask(self, method: str, path: str, role: str | None = "admin", **more: Any) -> Any:
        headers = dict(more.pop("headers", {}))
        if role is not None:
            headers["Authorization"] = f"Bearer {self.tokens.issue(role, 'tester', 1)}"
        client = self.app.test_client()
        answer = await client.open(path, method=method, headers=headers, **more)
        assert isinstance(answer, Response)
        await self.promises.check(self.app, method, path, answer)
        return answer

    async def get(self, path: str, role: str | None = "admin", **more: Any) -> Any:
        return await self.ask("GET", path, role, **more)

    async def post(self, path: str, role: str | None = "admin", **more: Any) -> Any:
        return await self.ask("POST", path, role, **more)

    async def delegate(self, body: Any) -> Any:
        return await self.post("/api/jobs/delegate", json=body)

    async def send(self, raw: bytes | str, content_type: str = "application/json") -> Any:
        return await self.post(
            "/api/jobs/delegate", data=raw, headers={"Content-Type": content_type}
        )


def body(number: int | str = 1, **more: Any) -> dict[str, Any]:
    """A body that is accepted."""
    execution = {"kind": "command", "image": "busybox:1", "command": ["sh", "-c", "echo hello"]}
    execution |= more.pop("execution", {})
    return {
        "external_id": f"job-{number}",
        "repository": "acme/web",
        "execution": execution,
    } | more


@pytest.fixture
async def door(autojump_clock: MockClock) -> AsyncIterator[Door]:
    cluster = Cluster()
    tokens = Tokens(SECRET)
    async with cluster.life() as life:
        app = create_app(life.hub, Settings(), tokens, CollectorRegistry())
        yield Door(app, tokens, cluster, life, Promises())
