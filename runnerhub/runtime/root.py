"""The root of a tree: the one actor that no supervisor watches."""

import trio

from runnerhub.runtime.errors import ActorDied
from runnerhub.runtime.inspect import ActorSnapshot, snapshot
from runnerhub.runtime.life import Life
from runnerhub.runtime.monitor import Reason
from runnerhub.runtime.registry import Registry
from runnerhub.runtime.spec import AnySpec


class Root:
    """Run a tree from its topmost spec. Serves for one run.

    Args:
        spec: usually that of a supervisor.
        registry: where the actors of the tree find each other.
    """

    def __init__(self, spec: AnySpec, registry: Registry | None = None) -> None:
        self.spec = spec
        self.registry = Registry() if registry is None else registry
        self._life: Life | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run the tree until it ends, by itself or through `stop`.

        Cancelling it cancels the whole tree at once. `nursery.start(root.run)` waits until the
        tree has started.

        Raises:
            StartFailed: it did not start.
            Exception: what the topmost actor crashed of, such as `RestartIntensityExceeded`.
        """
        failure: Exception | None = None
        async with trio.open_nursery() as nursery:
            self._life = Life(self.spec, self.registry)
            try:
                await self._life.start_in(nursery, lambda _: None)
            except Exception as error:  # noqa: BLE001 - raised below, outside the nursery's group
                failure = error
            else:
                task_status.started()
                await self._life.ended.wait()
        down = self._life.ref.down
        if failure is None and down is not None and down.reason is Reason.CRASHED:
            failure = down.error
        if failure is not None:
            raise failure

    @property
    def life(self) -> Life:
        """The topmost actor's life.

        Raises:
            ActorDied: the tree has not begun.
        """
        if self._life is None:
            raise ActorDied(f"{self.spec.name} is not running")
        return self._life

    def stop(self) -> None:
        """Ask the tree to stop; `run` returns when it has."""
        self.life.stop()

    def snapshot(self) -> ActorSnapshot:
        """Return what the tree looks like now."""
        return snapshot(self.life)
