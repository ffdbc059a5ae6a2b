"""What is counted of webhooks. Labels are bounded: events that we do not act on share `other`."""

from collections import Counter

from runnerhub.model.webhook import ROUTED

ANSWER_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
LAG_BOUNDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0)
MOST_STATUSES = 16


class Times:
    """A histogram."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.seconds = 0.0

    def note(self, seconds: float) -> None:
        """Count a time."""
        place = next((i for i, bound in enumerate(self.bounds) if seconds <= bound), -1)
        self.counts[place] += 1
        self.seconds += max(0.0, seconds)


class WebhookStatistics:
    """Deliveries, refusals, and what became of them."""

    def __init__(self) -> None:
        self.deliveries: Counter[tuple[str, str]] = Counter()
        self.refused: Counter[str] = Counter()
        self.worked: Counter[tuple[str, str]] = Counter()
        self.requeued = 0
        self.redelivered: Counter[str] = Counter()
        self.found: Counter[str] = Counter()
        self.answers = Times(ANSWER_BOUNDS)
        self.lags = Times(LAG_BOUNDS)

    def note_delivery(self, event: str, result: str) -> None:
        """Count a delivery that was answered 2xx."""
        self.deliveries[_label(event), result] += 1

    def note_worked(self, event: str, result: str) -> None:
        """Count what became of a delivery."""
        self.worked[_label(event), result] += 1

    def note_found(self, status: str) -> None:
        """Count a job that no delivery told of as it stands."""
        known = status in self.found or len(self.found) < MOST_STATUSES
        self.found[status if known else "other"] += 1


def _label(event: str) -> str:
    return event if event in ROUTED else "other"
