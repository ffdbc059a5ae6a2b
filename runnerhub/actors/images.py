"""Images on a host: one pull at a time for each image, at most three tries within a bound."""

from dataclasses import dataclass, field
from functools import partial

import trio

from runnerhub.ports.engine import Engine, PullProgress
from runnerhub.ports.errors import ImagePullFailed

TRIES = 3
WITHIN_SECONDS = 20.0
PAUSE_SECONDS = 1.0


@dataclass(eq=False, slots=True)
class _Turn:
    """Whose turn it is to pull an image, and how the last one failed."""

    lock: trio.Lock = field(default_factory=trio.Lock)
    failed: str | None = None


class Images:
    """See to it that images are present on one engine.

    Args:
        engine: the engine.
        pulling: where it is noted how far a pull is, in words that follow the image's name.
    """

    def __init__(self, engine: Engine, pulling: dict[str, str]) -> None:
        self._engine = engine
        self._pulling = pulling
        self._turns: dict[str, _Turn] = {}
        self._seen: set[str] = set()

    def doubt(self, *images: str) -> bool:
        """Look again for these images next time; tell whether any was taken for present."""
        seen = self._seen.intersection(images)
        self._seen -= seen
        return bool(seen)

    async def ensure(self, image: str, policy: str) -> None:
        """Pull an image as its policy says: always, if-missing or never.

        An image that was seen is taken for present, until somebody has doubts. Who waited for a
        pull that failed fails with it: the registry has been asked enough.

        Raises:
            ImagePullFailed: not to be had; the message names image and cause.
            EngineUnavailable: the engine does not answer.
        """
        if policy != "always" and await self._is_there(image):
            return
        if policy == "never":
            raise ImagePullFailed(f"{image} is not on the host and the pull policy is never")
        turn = self._turns.setdefault(image, _Turn())
        waited = turn.lock.locked()
        try:
            async with turn.lock:
                if waited and turn.failed:
                    raise ImagePullFailed(turn.failed)
                if policy != "always" and await self._is_there(image):
                    return  # whoever held the lock has pulled it
                await self._pull(image, turn)
        finally:
            if not turn.lock.statistics().tasks_waiting and not turn.lock.locked():
                self._turns.pop(image, None)

    async def _is_there(self, image: str) -> bool:
        if image not in self._seen and await self._engine.has_image(image):
            self._seen.add(image)
        return image in self._seen

    async def _pull(self, image: str, turn: _Turn) -> None:
        self._pulling[image] = ""
        try:
            await self._try(image)
        except ImagePullFailed as error:
            turn.failed = str(error)
            raise
        finally:
            self._pulling.pop(image, None)

    def _note(self, image: str, progress: PullProgress) -> None:
        self._pulling[image] = f" ({progress})"

    async def _try(self, image: str) -> None:
        give_up_at = trio.current_time() + WITHIN_SECONDS
        for attempt in range(1, TRIES + 1):
            try:
                await self._engine.pull_image(image, partial(self._note, image))
            except ImagePullFailed as error:
                pause = PAUSE_SECONDS * attempt
                if attempt == TRIES or trio.current_time() + pause > give_up_at:
                    tries = "1 try" if attempt == 1 else f"{attempt} tries"
                    words = f"the image {image} cannot be pulled ({tries}): {error}"
                    raise ImagePullFailed(words) from error
                await trio.sleep(pause)
            else:
                return
