"""What takes a while is told of while it lasts: a job that is being provisioned says so.

Most jobs run within the half second that is waited for here, and one write less is one write
less: their names were durable when they were leased.
"""

import trio

from runnerhub.actors.attempt import Attempt, Detached
from runnerhub.model.job import Phase
from runnerhub.ports.errors import LedgerUnavailable, StaleFence

AFTER_SECONDS = 0.5


class LateWord:
    """Write PROVISIONING after a while, unless that is over before.

    Attributes:
        done: set once nothing more is written.
    """

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._scope = trio.CancelScope()
        self.done = trio.Event()

    def cancel(self) -> None:
        """Write nothing any more; what is under way is waited for by `done`."""
        self._scope.cancel()

    async def run(self) -> None:
        """Wait, and write. What keeps it from that is met by the next write as well."""
        try:
            with self._scope:
                await trio.sleep(AFTER_SECONDS)
                await self._attempt.has_images.wait()  # pulling is another word, and may take long
                if self._attempt.job.phase is Phase.LEASED:
                    await self._attempt.advance(Phase.PROVISIONING)
        except (LedgerUnavailable, StaleFence, Detached):
            return
        finally:
            self.done.set()
