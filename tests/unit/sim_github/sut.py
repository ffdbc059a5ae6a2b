"""A simulated GitHub in the process, and short words for what tests say to it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from runnerhub.sim.github.faults import FaultPlan
from runnerhub.sim.github.serving import TOKEN, SimGitHub, sim_github

REPO = "/repos/acme/web"
HOOK = "http://hub.test/api/webhooks/github"


@dataclass
class Received:
    headers: dict[str, str]
    body: bytes
    json: dict[str, Any]

    @property
    def what(self) -> tuple[str, str]:
        return self.headers["x-github-event"], str(self.json.get("action"))


class Receiver(httpx.AsyncBaseTransport):
    """Takes webhooks."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answer: Callable[[], httpx.Response] = lambda: httpx.Response(202)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        answer = self.answer()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append(Received(headers, body, httpx.Response(200, content=body).json()))
        return answer

    def jobs(self, action: str) -> list[dict[str, Any]]:
        return [
            each.json["workflow_job"]
            for each in self.received
            if each.what == ("workflow_job", action)
        ]


class Sim:
    """The simulated GitHub, a client of it, and where its webhooks go."""

    def __init__(self, github: SimGitHub, client: httpx.AsyncClient, hooked: Receiver) -> None:
        self.github = github
        self.state = github.state
        self.client = client
        self.hooked = hooked

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        answer = await self.client.request(method, path, json=body, headers=headers)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def refused(self, method: str, path: str, body: Any = None, **headers: str) -> int:
        answer = await self.client.request(method, path, json=body, headers=headers)
        assert answer.is_error, answer.text
        return answer.status_code

    async def jit(self, name: str, *labels: str, path: str = REPO, group: int = 1) -> Any:
        body = {"name": name, "runner_group_id": group, "labels": list(labels) or ["self-hosted"]}
        return await self.call("POST", f"{path}/actions/runners/generate-jitconfig", body)

    async def runner(self, blob: str) -> "Runner":
        made = await self.call("POST", "/_sim/runner/register", {"encoded_jit_config": blob})
        return Runner(self, made)

    async def order(self, *labels: str, **more: Any) -> list[int]:
        """Queue runs of one job each; return the numbers of the jobs."""
        body = {"repository": "acme/web", "labels": list(labels) or ["self-hosted"], **more}
        made = await self.call("POST", "/_sim/runs", body)
        return [job for run in made["runs"] for job in run["jobs"]]

    async def job(self, number: int) -> Any:
        return await self.call("GET", f"/_sim/jobs/{number}")

    async def runners(self) -> list[str]:
        found = await self.call("GET", f"{REPO}/actions/runners")
        return [each["name"] for each in found["runners"]]


class Runner:
    """What runs in a container."""

    def __init__(self, sim: Sim, made: dict[str, Any]) -> None:
        self.sim = sim
        self.made = made
        self.headers = {"authorization": f"Bearer {made['session']}"}

    async def message(self, wait: int = 50) -> Any:
        path = f"/_sim/runner/message?wait={wait}"
        return await self.sim.call("GET", path, **self.headers)

    async def finish(self, job: int, conclusion: str = "success") -> Any:
        path = f"/_sim/runner/jobs/{job}/finish"
        return await self.sim.call("POST", path, {"conclusion": conclusion}, **self.headers)

    async def say(self, job: int, what: str, body: Any = None) -> Any:
        return await self.sim.call("POST", f"/_sim/runner/jobs/{job}/{what}", body, **self.headers)


@asynccontextmanager
async def a_sim(plan: FaultPlan | None = None, seed: int = 1) -> AsyncIterator[Sim]:
    """Run a simulated GitHub with the repository acme/web."""
    hooked = Receiver()
    async with sim_github(seed=seed, plan=plan, webhooks=hooked) as github:
        github.state.places.add_repository("acme/web")
        async with httpx.AsyncClient(
            transport=github.transport,
            base_url=github.url,
            headers={"authorization": f"Bearer {TOKEN}"},
        ) as client:
            yield Sim(github, client, hooked)
