"""From the lines of a pull to how far it is."""

from typing import Any

from runnerhub.ports.engine import PullProgress

_DONE = frozenset({"Pull complete", "Already exists"})
_LOADED = frozenset({"Verifying Checksum", "Download complete", "Extracting", "Pull complete"})


def is_countdown(said: dict[str, Any]) -> bool:
    """Tell whether a line only counts the seconds down to the engine's own next try of a layer."""
    return str(said.get("status") or "").startswith("Retrying in")


class Layers:
    """What is known of an image's layers while it is pulled."""

    def __init__(self) -> None:
        self._bytes: dict[str, tuple[int, int]] = {}  # by layer: done, total
        self._done: dict[str, bool] = {}

    def note(self, said: dict[str, Any]) -> PullProgress | None:
        """Take in a line; return how far the pull is, None for a line of no layer."""
        layer, status = str(said.get("id") or ""), str(said.get("status") or "")
        if not layer or status.startswith("Pulling from"):
            return None
        self._done[layer] = status in _DONE
        detail = said.get("progressDetail") or {}
        if status == "Downloading" and detail.get("total"):
            self._bytes[layer] = int(detail.get("current", 0)), int(detail["total"])
        elif status in _LOADED and layer in self._bytes:
            self._bytes[layer] = self._bytes[layer][1], self._bytes[layer][1]
        return PullProgress(
            sum(done for done, _ in self._bytes.values()),
            sum(total for _, total in self._bytes.values()),
            sum(self._done.values()),
            len(self._done),
        )
