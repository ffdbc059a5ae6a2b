"""What the gateway counts. Labels are bounded: what comes too many shares `other`."""

from collections import Counter

from runnerhub.model.budget import Priority

MOST_KINDS = 64
WAIT_BOUNDS = (0.01, 0.1, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0, 1800.0, 3600.0)


class GitHubStatistics:
    """Requests, waits, repetitions and lookups so far."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str]] = Counter()
        self.retries: Counter[str] = Counter()
        self.lookups: Counter[tuple[str, str]] = Counter()
        self.revalidations: Counter[str] = Counter()
        self.news = 0
        self.waits = {priority: [0] * (len(WAIT_BOUNDS) + 1) for priority in Priority}
        self.waited = dict.fromkeys(Priority, 0.0)
        self._kinds: set[str] = set()

    def note_request(self, kind: str, status: str) -> None:
        """Count a request that was sent, by what came of it."""
        if kind not in self._kinds:
            if len(self._kinds) >= MOST_KINDS:
                kind = "other"
            self._kinds.add(kind)
        self.requests[kind, status] += 1

    def note_wait(self, priority: Priority, seconds: float) -> None:
        """Count how long a request waited for its permit."""
        bucket = next((i for i, bound in enumerate(WAIT_BOUNDS) if seconds <= bound), -1)
        self.waits[priority][bucket] += 1
        self.waited[priority] += seconds
