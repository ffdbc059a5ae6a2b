"""The gateway in a whole node: real stores, real HTTP, in guest mode."""

import json
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from runnerhub.config import GitHubSettings, Settings
from runnerhub.model.budget import Priority
from runnerhub.ports.github import GitHubUnavailable, Request
from runnerhub.runtime import Bridge, run_guest
from runnerhub.service.wiring import Node, build_node

HEADERS = (
    "date: Tue, 21 Nov 2023 22:13:20 GMT\r\nx-ratelimit-limit: 100\r\n"
    "x-ratelimit-reset: 1700605000\r\nx-ratelimit-resource: core\r\n"
)


class Server:
    """A server that counts requests down, one connection at a time."""

    def __init__(self) -> None:
        self.remaining = 100
        self.seen: list[str] = []

    async def serve(self, stream: trio.SocketStream) -> None:
        async with stream:
            head = b""
            while chunk := await stream.receive_some():
                head += chunk
                if not head.endswith(b"\r\n\r\n"):
                    continue
                self.seen.append(head.decode().splitlines()[0])
                unchanged = b'if-none-match: "e"' in head
                head = b""
                self.remaining -= not unchanged
                body = b"" if unchanged else json.dumps({"left": self.remaining}).encode()
                first = "304 Not Modified" if unchanged else "200 OK"
                answer = (
                    f"HTTP/1.1 {first}\r\n{HEADERS}x-ratelimit-remaining: {self.remaining}\r\n"
                    f'etag: "e"\r\ncontent-type: application/json\r\n'
                    f"content-length: {len(body)}\r\n\r\n"
                )
                await stream.send_all(answer.encode() + body)


def run_node(
    case: Callable[[Node, Server], Awaitable[None]], tmp_path: Path, **stores: str
) -> None:
    async def main(bridge: Bridge) -> None:
        server = Server()
        async with trio.open_nursery() as nursery:
            serve = partial(trio.serve_tcp, server.serve, 0, host="127.0.0.1")
            listeners: list[trio.SocketListener] = await nursery.start(serve)
            port = listeners[0].socket.getsockname()[1]
            github = GitHubSettings(api_url=f"http://127.0.0.1:{port}", token="t")
            more: dict[str, Any] = {"bind": "127.0.0.1:0", "github": github, **stores}
            node = build_node(bridge, Settings(**more), tmp_path, "n1")
            with trio.fail_after(60):
                async with trio.open_nursery() as living:
                    await living.start(node.root.run)
                    await case(node, server)
                    node.root.stop()
            nursery.cancel_scope.cancel()

    run_guest(main)


@pytest.mark.real
def test_a_node_with_github_calls_caches_and_counts(
    fresh_database: str, redis_url: str, tmp_path: Path
) -> None:
    async def case(node: Node, server: Server) -> None:
        assert node.world.github is not None
        while sum("/user/repos" in line for line in server.seen) < 3:
            await trio.sleep(0.01)  # reconciler, sync and check look for repositories at first
        before, left = len(server.seen), server.remaining - 1
        request = Request("GET", "/repos/a/b", kind="repository", tags=("repo:a/b",))
        for _ in range(3):
            assert (await node.world.github.call(request)).data == {"left": left}
        await node.world.github.stale(["repo:a/b"])
        assert (await node.world.github.call(request)).data == {"left": left}
        assert len(server.seen) == before + 2
        async with trio.open_nursery() as nursery:
            for number in range(40):
                more = Request("GET", f"/{number}", priority=Priority.DISPATCH, cached=False)
                nursery.start_soon(node.world.github.call, more)
        assert server.remaining == left - 40

    run_node(case, tmp_path, database_url=fresh_database, redis_url=redis_url)


def test_without_credentials_there_is_no_gateway(tmp_path: Path) -> None:
    async def main(bridge: Bridge) -> None:
        node = build_node(bridge, Settings(), tmp_path, "n1")
        assert node.world.github is None

    run_guest(main)


def test_before_it_has_started_it_says_so(tmp_path: Path) -> None:
    async def main(bridge: Bridge) -> None:
        github = GitHubSettings(token="t")
        node = build_node(bridge, Settings(github=github), tmp_path, "n1")
        assert node.world.github is not None
        with pytest.raises(GitHubUnavailable, match="not started"):
            await node.world.github.call(Request("GET", "/", cached=False, patience=0.1))

    run_guest(main)
