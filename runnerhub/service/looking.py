"""What the console may use of a node, and what is known about its actors beside the runtime."""

from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from os import getpid
from typing import Any

from runnerhub.actors.hub import CoreHub
from runnerhub.actors.messages import host_actor_name, job_actor_name
from runnerhub.console.desk import Desk
from runnerhub.ports.errors import LedgerUnavailable
from runnerhub.runtime import Root

JOB = job_actor_name("")
HOST = host_actor_name("")


def console_desk(root: Root, hub: CoreHub, node_id: str) -> Desk:
    """Return the desk of a node's console."""
    greeting = {"node": node_id, "pid": getpid(), "version": version("runnerhub")}
    return Desk(root, hub, job_actor_name, Knowledge(hub).about, greeting)


class Knowledge:
    """What the core knows of actors of jobs and hosts."""

    def __init__(self, hub: CoreHub) -> None:
        self._hub = hub

    async def about(self, actor: str) -> Mapping[str, Any]:
        """Return what is known about an actor, nothing about most."""
        if actor.startswith(HOST):
            found = (asdict(each) for each in self._hub.hosts() if HOST + each.name == actor)
            return next(found, {})
        if actor.startswith(JOB):
            return await self._job(actor.removeprefix(JOB))
        return {}

    async def _job(self, job_id: str) -> Mapping[str, Any]:
        try:
            job = await self._hub.ledger.job(job_id)
        except LedgerUnavailable as error:
            return {"ledger": str(error)}
        if job is None:
            return {}
        return {
            "phase": str(job.phase),
            "explanation": self._hub.explain(job),
            "host": job.host,
            "attempt": job.attempt,
            "repository": job.spec.repository,
        }
