"""The supervisor of the webhooks' actors.

webhooks                one_for_one
├─ webhook-intake       makes deliveries durable, together
├─ webhook-worker       does what they ask
├─ webhook-replayer     asks GitHub for those that did not arrive
└─ github-reconciler    finds jobs that no delivery told of
"""

from typing import Any

from runnerhub.actors.webhooks.desk import WebhookDesk
from runnerhub.actors.webhooks.effects import Effects
from runnerhub.actors.webhooks.intake import INTAKE, INTAKE_ROOM, WebhookIntake
from runnerhub.actors.webhooks.reconciler import Reconciler
from runnerhub.actors.webhooks.replayer import Replayer
from runnerhub.actors.webhooks.rounds import Rounds
from runnerhub.actors.webhooks.worker import WebhookWorker
from runnerhub.runtime import ChildSpec, RestartIntensity, Supervisor

ROUND_SECONDS = 60.0


def build_webhooks(desk: WebhookDesk, every: float = ROUND_SECONDS) -> Supervisor:
    """Build the supervisor; without a gateway nothing is looked for at GitHub.

    Args:
        desk: its stores are open when this starts.
        every: seconds between two looks at GitHub.
    """
    effects = Effects(desk)
    specs: list[ChildSpec[Any]] = [
        ChildSpec(INTAKE, WebhookIntake(desk).run, kind="webhook-intake", mailbox_size=INTAKE_ROOM),
        ChildSpec(
            "webhook-worker", WebhookWorker(desk, effects).run, kind="webhook-worker", shutdown=3.0
        ),
    ]
    github = desk.world.github
    if github is not None:
        replayer, reconciler = Replayer(desk, github), Reconciler(desk, github, effects)
        for name, kind, one in (
            ("webhook-replayer", "webhook-replayer", replayer.round),
            ("github-reconciler", "github-reconciler", reconciler.round),
        ):
            rounds = Rounds(desk.world, name, every, one)
            specs.append(ChildSpec(name, rounds.run, kind=kind, shutdown=3.0))
    return Supervisor("webhooks", specs, intensity=RestartIntensity(10, 60.0))
