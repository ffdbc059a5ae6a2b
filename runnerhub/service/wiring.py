"""From settings to a tree: the only place that knows which adapter stands behind which port."""

import gc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
import trio
from prometheus_client import CollectorRegistry, ProcessCollector

from runnerhub.actors.hub import CoreHub
from runnerhub.actors.metrics import WorldCollector
from runnerhub.actors.tree import build_tree
from runnerhub.actors.world import CoreSettings, HostState, World
from runnerhub.api.auth import Tokens, ensure_admin_token, load_or_create_secret
from runnerhub.config import PoolSettings, ScaleSetSettings, Settings
from runnerhub.console.door import Door
from runnerhub.model.job import Network, Resources
from runnerhub.model.pool import Pool
from runnerhub.model.sandbox import Relaxations
from runnerhub.model.subnets import SubnetPool
from runnerhub.ports.engine import Engine
from runnerhub.runtime import ActorContext, Bridge, ChildSpec, Root
from runnerhub.runtime.garbage import Thawing
from runnerhub.runtime.metrics import register_metrics
from runnerhub.runtime.spec import AnySpec
from runnerhub.service.engines import docker_engine
from runnerhub.service.guarding import GuardWatch
from runnerhub.service.looking import console_desk
from runnerhub.service.stores import Where, store_specs

if TYPE_CHECKING:
    from runnerhub.service.github_side import GitHubSide

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Node:
    """A node, wired and not yet running."""

    root: Root
    world: World
    hub: CoreHub
    tokens: Tokens


def build_node(
    bridge: Bridge,
    settings: Settings,
    data_dir: Path,
    node_id: str,
    engines: Mapping[str, Engine] | None = None,
) -> Node:
    """Wire a node.

    Args:
        bridge: to the asyncio loop, on which the adapters' libraries run.
        settings: the operator's.
        data_dir: the locked data folder.
        node_id: the one kept in it.
        engines: engines by host name that stand in for real ones.
    """
    world = World(
        _core_settings(settings, node_id),
        {
            host.name: HostState(
                host.name,
                host.url,
                (engines or {}).get(host.name) or docker_engine(bridge, host),
                host.slots,
                frozenset(label.lower() for label in host.labels),
                reserves=host.reserve,
                holders=host.holders,
            )
            for host in settings.docker_hosts
        },
        SubnetPool(settings.subnet_range, settings.subnet_prefix),
    )
    tokens = Tokens(settings.jwt_secret or load_or_create_secret(data_dir))
    ensure_admin_token(data_dir, tokens)
    metrics = CollectorRegistry()

    async def api(ctx: ActorContext[Any]) -> None:
        # The web framework takes longer to load than all the rest: jobs need not wait for it.
        await trio.to_thread.run_sync(_load_api)
        from runnerhub.api.app import create_app
        from runnerhub.api.server import serve_api

        gc.freeze()
        app = create_app(hub, settings, tokens, metrics, side.door if side else None)
        ctx.started()
        await serve_api(app, settings, ctx.stopping.wait)

    async def console(ctx: ActorContext[Any]) -> None:
        await Door(console_desk(root, hub, node_id), data_dir).run(ctx)

    side = _github_side(settings, world, node_id)

    def more_stores(postgres: Where, valkey: Where) -> Sequence[AnySpec]:
        return side.stores(bridge, postgres, valkey) if side else ()

    stores = store_specs(
        bridge,
        world,
        data_dir,
        database_url=settings.database_url,
        redis_url=settings.redis_url,
        more=more_stores,
    )
    doors = [
        *(side.doors() if side else ()),
        ChildSpec("garbage", Thawing(lambda: world.is_idle).run, kind="garbage"),
        ChildSpec("guard-watch", GuardWatch(world).run, kind="guard"),
        ChildSpec("api", api, kind="api", shutdown=2.0),
        ChildSpec("console", console, kind="console", shutdown=2.0),
    ]
    root = Root(build_tree(world, stores, doors).spec())
    hub = CoreHub(world, root)
    register_metrics(root.registry, metrics)
    metrics.register(WorldCollector(world))
    if side is not None:
        side.register(metrics)
    ProcessCollector(registry=metrics)
    return Node(root, world, hub, tokens)


def _github_side(settings: Settings, world: World, node_id: str) -> "GitHubSide | None":
    has_credentials = bool(settings.github.all_credentials)
    if not has_credentials:
        log.info("GitHub is not configured", action="github_not_configured")
    if not (has_credentials or settings.github.webhook_secrets or settings.scale_sets):
        return None
    from runnerhub.service.github_side import github_side

    return github_side(settings, world, node_id)


def _load_api() -> None:
    import runnerhub.api.app
    import runnerhub.api.server  # noqa: F401


def _core_settings(settings: Settings, node_id: str) -> CoreSettings:
    return CoreSettings(
        node_id=node_id,
        max_attempts=settings.max_attempts,
        host_lost_after=settings.host_lost_after_seconds,
        queue_max=settings.queue_max_hours * 3600.0,
        lease_ttl=settings.lease_ttl_seconds,
        clean_up=settings.clean_up_seconds,
        log_max_mb=settings.log_max_mb,
        keep_days=settings.keep_days,
        log_days=settings.log_days,
        image_pull=settings.image_pull,
        pools=tuple(_pool(pool, settings.scale_sets) for pool in settings.pools),
    )


def _pool(pool: PoolSettings, scale_sets: Sequence[ScaleSetSettings]) -> Pool:
    listens = any(each.pool == pool.name for each in scale_sets)
    return Pool(
        pool.name,
        frozenset(label.lower() for label in pool.labels),
        Relaxations(pool.cap_add, pool.read_only, pool.user),
        pool.stop_grace_seconds,
        pool.egress_guard == "require",
        pool.image,
        Network(pool.network or ("egress" if pool.scope or listens else "isolated")),
        Resources(pool.cpus, pool.memory_mb, pool.pids, pool.disk_mb, pool.tmpfs_mb),
        pool.warm,
        None if listens else pool.scope,  # a scale set's runners are its listener's to start
        pool.runner_group,
        pool.max_runners,
    )
