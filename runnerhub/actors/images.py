"""Images on a host: one pull at a time for each image, at most three tries within a bound."""

from functools import partial

import trio

from runnerhub.ports.engine import Engine, PullProgress
from runnerhub.ports.errors import ImagePullFailed

TRIES = 3
WITHIN_SECONDS = 20.0
PAUSE_SECONDS = 1.0


class Images:
    """See to it that images are present on one engine.

    Args:
        engine: the engine.
        pulling: where it is noted how far a pull is, in words that follow the image's name.
    """

    def __init__(self, engine: Engine, pulling: dict[str, str]) -> None:
        self._engine = engine
        self._pulling = pulling
        self._locks: dict[str, trio.Lock] = {}

    async def ensure(self, image: str, policy: str) -> None:
        """Pull an image as its policy says: always, if-missing or never.

        Raises:
            ImagePullFailed: not to be had; the message names image and cause.
            EngineUnavailable: the engine does not answer.
        """
        if policy != "always" and await self._engine.has_image(image):
            return
        if policy == "never":
            raise ImagePullFailed(f"{image} is not on the host and the pull policy is never")
        lock = self._locks.setdefault(image, trio.Lock())
        try:
            async with lock:
                if policy != "always" and await self._engine.has_image(image):
                    return  # whoever held the lock has pulled it
                self._pulling[image] = ""
                await self._pull(image)
        finally:
            self._pulling.pop(image, None)
            if not lock.statistics().tasks_waiting and not lock.locked():
                self._locks.pop(image, None)

    def _note(self, image: str, progress: PullProgress) -> None:
        self._pulling[image] = f" ({progress})"

    async def _pull(self, image: str) -> None:
        give_up_at = trio.current_time() + WITHIN_SECONDS
        for attempt in range(1, TRIES + 1):
            try:
                await self._engine.pull_image(image, partial(self._note, image))
            except ImagePullFailed as error:
                pause = PAUSE_SECONDS * attempt
                if attempt == TRIES or trio.current_time() + pause > give_up_at:
                    words = f"the image {image} cannot be pulled ({attempt} tries): {error}"
                    raise ImagePullFailed(words) from error
                await trio.sleep(pause)
            else:
                return
