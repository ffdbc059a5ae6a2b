"""What the parts of the sync share."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from runnerhub.model.github_sync import Kind
from runnerhub.ports.github import Credential, GitHub
from runnerhub.ports.github_events import GitHubApp, GitHubEvents
from runnerhub.ports.github_state import GitHubState

# Longer than this no list waits for its turn: the next round goes on with it.
PATIENCE_SECONDS = 30.0


@dataclass(slots=True)
class SyncDesk:
    """The ports of the sync.

    Attributes:
        github: the gateway.
        app: asks GitHub as an App.
        events: takes note of jobs.
        state: set by the stores, which start before.
        looks: made so far, by kind and result (unchanged, same, changed, refused).
    """

    github: GitHub
    app: GitHubApp | None
    events: GitHubEvents
    credentials: Sequence[Credential] = ()
    state: GitHubState = field(init=False)
    looks: Counter[tuple[Kind, str]] = field(default_factory=Counter)

    def note(self, kind: Kind, result: str) -> None:
        """Count a look."""
        self.looks[kind, result] += 1
