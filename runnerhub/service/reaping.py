"""`runnerhub reap`: find and remove what a cluster left on its hosts, without a node, or a ledger.

Made for the evening on which everything else is broken. It must be told which cluster;
nothing without that label is touched.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from runnerhub.config import Settings
from runnerhub.errors import RunnerHubError
from runnerhub.model.sandbox import LABEL_CLUSTER
from runnerhub.ports.errors import PortError
from runnerhub.runtime import Bridge, shielded
from runnerhub.runtime.guest import run_guest
from runnerhub.service.engines import CLOSE_SECONDS, docker_engine


@dataclass(frozen=True, slots=True)
class Leftover:
    """A thing of a cluster on a host."""

    host: str
    kind: str
    name: str
    cluster: str
    removed: bool


def reap(settings: Settings, *, dry_run: bool, cluster: str | None) -> Sequence[Leftover]:
    """Remove every container and network of a cluster; with `dry_run` only list them.

    Without a cluster everything with any cluster's label is listed, and nothing removed.

    Raises:
        RunnerHubError: no cluster was named, and this is no dry run; or a host does not answer.
    """
    if cluster is None and not dry_run:
        raise RunnerHubError("name the cluster with --cluster ID; `reap --dry-run` lists them")
    return run_guest(partial(_reap, settings=settings, dry_run=dry_run, cluster=cluster))


async def _reap(
    bridge: Bridge, *, settings: Settings, dry_run: bool, cluster: str | None
) -> list[Leftover]:
    found: list[Leftover] = []
    for host in settings.docker_hosts:
        engine = docker_engine(bridge, host)
        await engine.open()
        try:
            label = LABEL_CLUSTER if cluster is None else f"{LABEL_CLUSTER}={cluster}"
            for container in await engine.containers(label):
                removed = not dry_run and await engine.remove_container(container.name)
                whose = container.labels[LABEL_CLUSTER]
                found.append(Leftover(host.name, "container", container.name, whose, removed))
            for network in await engine.networks(label):
                removed = not dry_run and await engine.remove_network(network.name)
                whose = network.labels[LABEL_CLUSTER]
                found.append(Leftover(host.name, "network", network.name, whose, removed))
        except PortError as error:
            raise RunnerHubError(f"{host.name} ({host.url}): {error}") from error
        finally:
            with shielded(CLOSE_SECONDS):
                await engine.close()
    return found
