"""The simulated GitHub over real connections."""

from collections.abc import AsyncIterator

import httpx
import pytest
import trio

from runnerhub.sim.github.faults import Ordered
from runnerhub.sim.github.orders import RunOrder
from runnerhub.sim.github.serving import SimGitHub, serve_sim_github


@pytest.fixture
async def served() -> AsyncIterator[SimGitHub]:
    """A simulated GitHub with the repository acme/web, over TCP."""
    async with serve_sim_github() as github:
        github.state.places.add_repository("acme/web")
        with trio.fail_after(20):
            yield github


@pytest.fixture
async def client(served: SimGitHub) -> AsyncIterator[httpx.AsyncClient]:
    """A client of it that may do everything."""
    headers = {"authorization": f"token {served.token}"}
    async with httpx.AsyncClient(base_url=served.url, headers=headers) as made:
        yield made


async def test_connections_are_kept_and_links_lead_back(
    served: SimGitHub, client: httpx.AsyncClient
) -> None:
    for _ in range(3):
        answer = await client.get("/repos/acme/web")
        assert answer.json()["full_name"] == "acme/web"
        assert answer.json()["url"].startswith(served.url)
    assert (await client.get("/nothing")).status_code == 404
    head = await client.head("/repos/acme/web")
    assert (head.status_code, head.content) == (200, b"")
    assert (await client.get("/api/v3/repos/acme/web")).status_code == 200


async def test_a_lost_answer_is_a_broken_connection_and_the_next_works(
    served: SimGitHub, client: httpx.AsyncClient
) -> None:
    served.state.core.faults.ordered.append(Ordered("generate-jitconfig", "lost", 1))
    path = "/repos/acme/web/actions/runners"
    body = {"name": "r1", "runner_group_id": 1, "labels": ["x"]}
    with pytest.raises(httpx.TransportError):
        await client.post(f"{path}/generate-jitconfig", json=body)
    listed = (await client.get(path)).json()
    assert [each["name"] for each in listed["runners"]] == ["r1"]


async def test_a_job_is_not_given_to_a_poll_whose_caller_is_gone(
    served: SimGitHub, client: httpx.AsyncClient
) -> None:
    path = "/repos/acme/web/actions/runners/generate-jitconfig"
    blobs = []
    for name in ("r1", "r2"):
        body = {"name": name, "runner_group_id": 1, "labels": ["x"]}
        blobs.append((await client.post(path, json=body)).json()["encoded_jit_config"])
    sessions = []
    for blob in blobs:
        made = await client.post("/_sim/runner/register", json={"encoded_jit_config": blob})
        sessions.append({"authorization": f"Bearer {made.json()['session']}"})
    with trio.move_on_after(0.2):
        await client.get("/_sim/runner/message?wait=50", headers=sessions[0])
    gone = next(each for each in served.state.fleet if each.name == "r1")
    while gone.polling:
        await trio.sleep(0.01)
    [run] = served.state.work.queue(RunOrder(repository="acme/web", labels=["x"]))
    answer = await client.get("/_sim/runner/message?wait=5", headers=sessions[1])
    assert answer.json()["job_id"] == run.jobs[0].id


async def test_what_is_no_http_ends_its_connection_alone(
    served: SimGitHub, client: httpx.AsyncClient
) -> None:
    port = int(served.url.rpartition(":")[2])
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with stream:
        await stream.send_all(b"nonsense\r\n\r\n")
        assert await stream.receive_some(100) == b""
    assert (await client.get("/meta")).status_code == 200


@pytest.mark.parametrize("body", [b"{", b"[1]", b'{"full_name": "noslash"}', b'{"other": 1}'])
async def test_what_is_wrong_with_a_body_is_said(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post("/_sim/repositories", content=body)
    assert answer.status_code in (400, 422)
    assert answer.json()["message"]
