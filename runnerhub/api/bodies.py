"""How much of a request's body is held in memory.

Everywhere at most `MAX_CONTENT_LENGTH`. A webhook may be larger, so those that are take turns.
"""

from typing import TYPE_CHECKING

import trio
from quart_trio.wrappers.request import TrioBody
from werkzeug.exceptions import RequestEntityTooLarge

from runnerhub.api.problems import busy

if TYPE_CHECKING:
    from quart.wrappers import Request

MOST_BYTES = 25 * 1024 * 1024  # of a webhook: GitHub's own limit
FREE_BYTES = 1024 * 1024  # what any request may hold
TURNS = 4
RETRY_SECONDS = 10


class Turns:
    """So many large bodies at once."""

    def __init__(self, turns: int = TURNS) -> None:
        self.left = turns


class LargeBody(TrioBody):
    """A body that may be large in its turn; one that is refused is let go of at once.

    Args:
        expected: bytes, where the request told.
        turns: shared by all.
    """

    def __init__(self, expected: int | None, turns: Turns) -> None:
        super().__init__(expected, MOST_BYTES)
        self._turns = turns
        self._has_turn = False

    def append(self, data: bytes) -> None:
        """Take the next part."""
        size = len(self._data) + len(data)
        if size > FREE_BYTES and not self._has_turn and self._must_raise is None:
            if self._turns.left <= 0:
                self._refuse(busy("too many large bodies are being read", RETRY_SECONDS))
            else:
                self._turns.left -= 1
                self._has_turn = True
        if size > MOST_BYTES and self._must_raise is None:
            self._refuse(RequestEntityTooLarge())
        super().append(data)

    def leave(self) -> None:
        """Let the next one have its turn; harmless when repeated."""
        if self._has_turn:
            self._has_turn = False
            self._turns.left += 1

    def _refuse(self, error: Exception) -> None:
        self._must_raise = error
        self._data.clear()
        self.set_complete()
        self.leave()


async def read_body(request: "Request", seconds: float) -> bytes | None:
    """Return the body, without keeping it in the request; None when it does not come in time.

    Raises:
        RequestEntityTooLarge: it is larger than it may be.
        Problem: there is no turn for it.
    """
    with trio.move_on_after(seconds):
        raw: bytes = await request.body
        request.body.clear()
        return raw
    return None
