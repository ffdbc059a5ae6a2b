"""What listens to a scale set: written after the protocol, for tests."""

import json
from typing import Any

from tests.unit.sim_github.sut import REPO, Sim

V = "api-version=6.0-preview"


class Listener:
    """A client of the scale-set service for one scope."""

    def __init__(self, sim: Sim, connection: dict[str, str]) -> None:
        self.sim = sim
        self.base = connection["url"]
        self.admin = {"authorization": f"Bearer {connection['token']}"}
        self.set: dict[str, Any] = {}
        self.session: dict[str, Any] = {}

    @classmethod
    async def connect(cls, sim: Sim, path: str = REPO, url: str = "acme/web") -> "Listener":
        issued = await sim.call("POST", f"{path}/actions/runners/registration-token")
        connection = await sim.call(
            "POST",
            "/actions/runner-registration",
            {"url": f"https://github.com/{url}", "runner_event": "register"},
            authorization=f"RemoteAuth {issued['token']}",
        )
        return cls(sim, connection)

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        joint = "&" if "?" in path else "?"
        return await self.sim.call(method, f"{self.base}_apis/{path}{joint}{V}", body, **self.admin)

    async def refused(self, method: str, path: str, body: Any = None) -> Any:
        url = f"{self.base}_apis/{path}?{V}"
        answer = await self.sim.client.request(method, url, json=body, headers=self.admin)
        assert answer.is_error
        return answer.status_code, answer.json()["typeName"]

    @property
    def path(self) -> str:
        return f"runtime/runnerscalesets/{self.set['id']}"

    async def make(self, name: str = "big") -> None:
        labels = [{"type": "System", "name": name}]
        setting = {"disableUpdate": True}
        body = {"name": name, "runnerGroupId": 1, "labels": labels, "RunnerSetting": setting}
        self.set = await self.ask("POST", "runtime/runnerscalesets", body)

    async def open(self, owner: str = "me") -> None:
        self.session = await self.ask("POST", f"{self.path}/sessions", {"ownerName": owner})

    async def refresh(self) -> None:
        path = f"{self.path}/sessions/{self.session['sessionId']}"
        self.session = await self.ask("PATCH", path)

    @property
    def queue(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.session['messageQueueAccessToken']}"}

    async def poll(self, last: int = 0, capacity: int | None = None) -> Any:
        headers = self.queue | {"accept": "application/json; api-version=6.0-preview"}
        if capacity is not None:
            headers["x-scalesetmaxcapacity"] = str(capacity)
        url = f"{self.session['messageQueueUrl']}&lastMessageId={last}"
        found = await self.sim.call("GET", url, **headers)
        return None if found is None else found | {"jobs": json.loads(found["body"])}

    async def acknowledge(self, message: Any) -> None:
        path, _, query = self.session["messageQueueUrl"].partition("?")
        url = f"{path}/{message['messageId']}?{query}"
        await self.sim.call("DELETE", url, **self.queue)

    async def acquire(self, *jobs: int) -> list[int]:
        url = f"{self.base}_apis/{self.path}/acquirejobs?{V}"
        found = await self.sim.call("POST", url, list(jobs), **self.queue)
        assert found["count"] == len(found["value"])
        return list(found["value"])

    async def jit(self, name: str) -> Any:
        body = {"name": name, "workFolder": "_work"}
        return await self.ask("POST", f"{self.path}/generatejitconfig", body)


def kinds(message: Any) -> list[str]:
    return [each["messageType"] for each in message["jobs"]]
