"""An answer of JSON documents, one a line, in pieces of any size."""


class Lines:
    """Turn bytes into lines of any length."""

    __slots__ = ("_pending",)

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Take more bytes and return the lines that they complete, without empty ones."""
        *whole, self._pending = (self._pending + data).split(b"\n")
        return [line for line in whole if line.strip()]

    def rest(self) -> list[bytes]:
        """Return what stands behind the last line break: a line without an end, or nothing."""
        return [self._pending] if self._pending.strip() else []
