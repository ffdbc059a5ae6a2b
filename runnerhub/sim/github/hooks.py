"""Webhooks: who is told what, and what became of each delivery."""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from runnerhub.sim.github.access import Access, Installation
from runnerhub.sim.github.core import Core, node_id
from runnerhub.sim.github.refusals import invalid, not_found
from runnerhub.sim.github.shapes import accounts, actions
from runnerhub.sim.github.things import Job, Repository, Run

KEPT_SECONDS = 3 * 24 * 3600.0
_MOST_KEPT = 50_000
_AGENT = "GitHub-Hookshot/51ab0c6"


@dataclass(slots=True, eq=False)
class Hook:
    """A webhook. `kind`: repo, org or app; `owner` is its name, an App's number as text."""

    id: int
    kind: str
    owner: str
    url: str
    secret: str
    events: frozenset[str]
    created_at: float
    active: bool = True
    last: tuple[int | None, str] = (None, "unused")


@dataclass(slots=True, eq=False)
class Delivery:
    """One attempt to deliver. A redelivery has the same `guid`.

    Attributes:
        subject: what it is about; those about the same go out in order.
        key: names the occasion, for the faults.
        status_code: of the answer; 0 while it is under way.
    """

    id: int
    hook: Hook
    guid: str
    event: str
    action: str | None
    subject: str
    key: str
    body: bytes
    at: float
    repository_id: int | None = None
    installation_id: int | None = None
    redelivery: bool = False
    duration: float = 0.0
    status: str = "pending"
    status_code: int = 0
    response_headers: dict[str, str] = field(default_factory=dict)
    response_body: str = ""

    def headers(self) -> dict[str, str]:
        """Return the headers that it is sent with, signed over the bytes of its body."""
        target = "integration" if self.hook.kind == "app" else self.hook.kind
        found = {
            "Accept": "*/*",
            "Content-Type": "application/json",
            "User-Agent": _AGENT,
            "X-GitHub-Delivery": self.guid,
            "X-GitHub-Event": self.event,
            "X-GitHub-Hook-ID": str(self.hook.id),
            "X-GitHub-Hook-Installation-Target-ID": str(self.repository_id or self.hook.id),
            "X-GitHub-Hook-Installation-Target-Type": {"repo": "repository", "org": "organization"}
            .get(target, target),
        }  # fmt: skip
        if self.hook.secret:
            key = self.hook.secret.encode()
            found["X-Hub-Signature"] = "sha1=" + hmac.new(key, self.body, hashlib.sha1).hexdigest()
            found["X-Hub-Signature-256"] = (
                "sha256=" + hmac.new(key, self.body, hashlib.sha256).hexdigest()
            )
        return found


class Hooks:
    """All webhooks and their deliveries.

    Attributes:
        send: set by whoever can send; takes a delivery and the seconds to hold it back.
    """

    def __init__(self, core: Core, access: Access) -> None:
        self._core = core
        self._access = access
        self.hooks: dict[int, Hook] = {}
        self.deliveries: dict[int, Delivery] = {}
        self.send: Callable[[Delivery, float], None] = lambda _delivery, _seconds: None

    def add(
        self, kind: str, owner: str, url: str, *, secret: str = "", events: list[str] | None = None
    ) -> Hook:
        """Make a webhook. `events` of `*`, or none, are all.

        Raises:
            Refusal: 422, the URL is no HTTP.
        """
        if not url.startswith(("http://", "https://")):
            raise invalid("url is missing a scheme")
        wanted = frozenset(events or ["*"])
        number = self._core.next_id("hook")
        hook = Hook(number, kind, owner, url, secret, wanted, self._core.now())
        self.hooks[number] = hook
        return hook

    def of(self, kind: str, owner: str) -> list[Hook]:
        """Return the webhooks of a repository, an organisation, or an App."""
        return [
            hook
            for hook in self.hooks.values()
            if hook.kind == kind and hook.owner.lower() == owner.lower()
        ]

    def get(self, kind: str, owner: str, number: int) -> Hook:
        """Return a webhook.

        Raises:
            Refusal: 404.
        """
        for hook in self.of(kind, owner):
            if hook.id == number:
                return hook
        raise not_found()

    # ------------------------------------------------------------------ what happened

    def run_changed(self, run: Run, action: str) -> None:
        """Tell of a run."""
        url = self._core.url
        body = {
            "workflow_run": actions.run(url, run),
            "workflow": actions.workflow(url, run.workflow),
        }
        self.emit("workflow_run", action, run.repository, body, f"{run.id}.{run.attempt}")

    def job_changed(self, job: Job, action: str) -> None:
        """Tell of a job."""
        body = {"workflow_job": actions.job(self._core.url, job)}
        self.emit("workflow_job", action, job.run.repository, body, str(job.id))

    def emit(
        self,
        event: str,
        action: str | None,
        repository: Repository,
        body: Mapping[str, Any],
        key: str,
    ) -> None:
        """Tell all webhooks that want to know of an event in a repository."""
        for hook in list(self.hooks.values()):
            if not hook.active or not ({"*", event} & hook.events):
                continue
            concerned, installation = self._concerns(hook, repository)
            if not concerned:
                continue
            payload = self._payload(action, repository, body, installation)
            data = json.dumps(payload, separators=(",", ":")).encode()
            self._deliver(
                Delivery(
                    self._core.next_id("delivery"), hook, self._core.uuid(), event, action,
                    f"{event}.{key}",
                    f"{event}.{action}.{key}.{hook.id}", data, self._core.now(), repository.id,
                    installation.id if installation else None,
                )
            )  # fmt: skip

    def ping(self, hook: Hook) -> None:
        """Send a ping."""
        body = {"zen": "Keep it logically awesome.", "hook_id": hook.id, "hook": {"id": hook.id}}
        data = json.dumps(body, separators=(",", ":")).encode()
        number, guid = self._core.next_id("delivery"), self._core.uuid()
        key = f"ping.{hook.id}.{number}"
        self._deliver(Delivery(number, hook, guid, "ping", None, key, key, data, self._core.now()))

    def redeliver(self, delivery: Delivery) -> Delivery:
        """Send a delivery again, as a new attempt.

        Raises:
            Refusal: 422, it is older than three days.
        """
        now = self._core.now()
        if now - delivery.at > KEPT_SECONDS:
            raise invalid("The delivery is too old to be redelivered.")
        again = replace(
            delivery,
            id=self._core.next_id("delivery"),
            key=f"{delivery.key}.again{self._core.next_id(delivery.guid)}",
            at=now,
            redelivery=True,
            duration=0.0,
            status="pending",
            status_code=0,
            response_headers={},
            response_body="",
        )
        self._deliver(again)
        return again

    def _concerns(self, hook: Hook, repository: Repository) -> tuple[bool, Installation | None]:
        if hook.kind == "repo":
            return hook.owner.lower() == repository.full_name.lower(), None
        if hook.kind == "org":
            return hook.owner.lower() == repository.owner.login.lower(), None
        found = self._access.installation_for(int(hook.owner), repository)
        return found is not None, found

    def _payload(
        self,
        action: str | None,
        repository: Repository,
        body: Mapping[str, Any],
        installation: Installation | None,
    ) -> dict[str, Any]:
        url = self._core.url
        payload: dict[str, Any] = {} if action is None else {"action": action}
        payload |= body
        payload["repository"] = accounts.repository(url, repository)
        if repository.owner.kind == "Organization":
            payload["organization"] = accounts.organization(url, repository.owner)
        payload["sender"] = accounts.user(url, repository.owner)
        if installation is not None:
            number = installation.id
            node = node_id("Integration", number)
            payload["installation"] = {"id": number, "node_id": node}
        return payload

    # ------------------------------------------------------------------ on its way

    def _deliver(self, delivery: Delivery) -> None:
        faults, shares = self._core.faults, self._core.faults.plan.webhooks
        key = delivery.key
        if faults.strikes("webhook.vanished", shares.vanished, key):
            return
        self._keep(delivery)
        if faults.strikes("webhook.dropped", shares.dropped, key):
            delivery.status, delivery.status_code = "timed out", 504
            delivery.hook.last = (504, "timed out")
            return
        copies = 2 if faults.strikes("webhook.doubled", shares.doubled, key) else 1
        for copy in range(copies):
            late = faults.strikes("webhook.reordered", shares.reordered, f"{key}.{copy}")
            seconds = faults.share("webhook.delay", f"{key}.{copy}") * shares.delay_seconds
            self.send(delivery, seconds if late else 0.0)

    def _keep(self, delivery: Delivery) -> None:
        self.deliveries[delivery.id] = delivery
        if len(self.deliveries) > _MOST_KEPT:
            del self.deliveries[next(iter(self.deliveries))]

    def log(self, hooks: list[Hook]) -> list[Delivery]:
        """Return the deliveries of webhooks in the last three days, the newest first.

        One that is still under way is not among them.
        """
        since = self._core.now() - KEPT_SECONDS
        return [
            each
            for each in reversed(self.deliveries.values())
            if each.hook in hooks and each.at >= since and each.status_code
        ]

    def delivery(self, hooks: list[Hook], number: int) -> Delivery:
        """Return a delivery.

        Raises:
            Refusal: 404.
        """
        found = self.deliveries.get(number)
        if found is None or found.hook not in hooks:
            raise not_found()
        return found
