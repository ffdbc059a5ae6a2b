"""Follow a job to its end, over restarts of the node.

The node serves the log of the job's present attempt from its beginning, and names each attempt
that begins while it is followed. Whoever comes back after a break skips what it has seen:

    attempt 1    ████████████ x           printed, until the stream breaks
    again        ░░░░░░░░░░░░ ██████      skipped, then printed
    attempt 2    ████████                 when attempt 1 was lost meanwhile: all of it is new

Contact is lost when a stream breaks, ends before the job does, or an answer is an error of the
server's. It is looked for with growing pauses, and for a bounded time.
"""

import re
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from runnerhub.cli.client import Client, Refused, tell, url
from runnerhub.errors import RunnerHubError

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
MARKER = re.compile(rb"\n\[attempt (\d{1,3}): [^\n]*\]\n")
LONGEST_MARKER = 4096

Job = dict[str, Any]
T = TypeVar("T")


class ContactLost(RunnerHubError):
    """The node was out of reach for longer than the patience allows."""


class Seen:
    """How much of each attempt's log has been taken."""

    def __init__(self) -> None:
        self._taken = 0
        self._tail = b""
        self._served = 0
        self._begins: dict[int, int] = {}

    def knows(self, attempt: int) -> bool:
        """Tell whether something of an attempt was taken, or of none yet."""
        return not self._begins or attempt in self._begins

    def rest(self, attempt: int, parts: Iterator[bytes]) -> Iterator[bytes]:
        """Yield what is new in an attempt's log, served from its beginning."""
        self._served = attempt
        skip = self._taken - self._begins.setdefault(attempt, self._taken)
        for part in parts:
            new = part[skip:]
            skip = max(0, skip - len(part))
            if new:
                self.take(new)
                yield new

    def take(self, part: bytes) -> None:
        """Count what is printed, and keep where attempts begin in it."""
        text = self._tail + part
        begin = self._taken - len(self._tail)
        for found in MARKER.finditer(text):
            # A job may print such a line too, about attempts to come: the node's own is the last.
            if int(found[1]) > self._served:
                self._begins[int(found[1])] = begin + found.end()
        self._taken += len(part)
        self._tail = text[-LONGEST_MARKER:]


class Follower:
    """Follows one job.

    Args:
        write: takes the log, in parts.
        patience: seconds to go on without contact.
        met: the node has answered before. A node that never did is not waited for.
    """

    def __init__(
        self,
        client: Client,
        job_id: str,
        write: Callable[[bytes], None],
        patience: float,
        *,
        met: bool = False,
    ) -> None:
        self._client = client
        self._job_id = job_id
        self._write = write
        self._patience = patience
        self._met = met
        self._seen = Seen()
        self._lost_at: float | None = None
        self._pause = FIRST_PAUSE_SECONDS

    def follow(self) -> Job:
        """Write the log as it comes; return the job once it is completed.

        An interrupt leaves it so that `follow` may be called again, and goes on.

        Raises:
            ContactLost: the node was away for longer than the patience.
            Refused: the node answers, and will not.
        """
        while True:
            if (job := self.patiently(self._follow_once)) is not None:
                return job
            self._wait("the log ended before the job")

    def patiently(self, step: Callable[[], T]) -> T:
        """Do something again until the node can. Raises as `follow` does."""
        import httpx

        while True:
            try:
                done = step()
            except Refused as refused:
                if not refused.passing or not self._met:
                    raise
                self._wait(str(refused))
            except httpx.TransportError as error:
                if not self._met:
                    raise
                self._wait(str(error) or type(error).__name__)
            else:
                self._contact()
                return done

    def _follow_once(self) -> Job | None:
        """Follow until the stream ends; return the job if that is completed."""
        job = self._client.job(self._job_id)
        while True:
            with self._client.log(self._job_id, follow=True) as parts:
                opened = self._client.job(self._job_id)
                if opened["attempt"] == job["attempt"]:
                    self._contact()
                    self._print(job, parts)
                    break
            job = opened  # an attempt began meanwhile: nobody knows which of the two was served
        job = self._client.job(self._job_id)
        return job if job["status"] == "completed" else None

    def _print(self, job: Job, parts: Iterator[bytes]) -> None:
        attempt = job["attempt"]
        if not self._seen.knows(attempt):
            marker = f"\n[attempt {attempt}: {job['explanation']}]\n".encode()
            self._seen.take(marker)
            self._write(marker)
        for new in self._seen.rest(attempt, parts):
            self._pause = FIRST_PAUSE_SECONDS
            self._write(new)

    def _contact(self) -> None:
        self._met = True
        if self._lost_at is not None:
            self._lost_at = None
            tell("contact is back")

    def _wait(self, why: str) -> None:
        now = time.monotonic()
        if self._lost_at is None:
            self._lost_at = now
            tell(f"contact lost ({why}); looking for it for {self._patience:g} s")
        left = self._lost_at + self._patience - now
        if left <= 0:
            raise ContactLost(
                f"no contact with {url()} for {self._patience:g} s ({why}); that stops no job: "
                f"`runnerhub logs --follow {self._job_id}` follows it again"
            )
        time.sleep(min(self._pause, left))
        self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)
