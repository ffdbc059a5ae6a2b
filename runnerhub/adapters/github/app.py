"""Sign as a GitHub App, with its private key."""

import time
from collections.abc import Callable
from pathlib import Path

import jwt

from runnerhub.errors import RunnerHubError

JWT_SECONDS = 9 * 60  # GitHub takes no more than ten minutes
BACKDATED_SECONDS = 60  # for clocks that differ


class KeyFileError(RunnerHubError):
    """The private key of an App cannot be used."""


class RsaSigner:
    """Sign JWTs by RS256.

    Args:
        app_id: of the App.
        key: PEM.
        wall: Unix seconds.

    Raises:
        KeyFileError: it is no private key.
    """

    def __init__(self, app_id: str, key: str, wall: Callable[[], float] = time.time) -> None:
        self._app_id = app_id
        self._key = key
        self._wall = wall
        try:
            self.sign()
        except (ValueError, TypeError, jwt.PyJWTError) as error:
            raise KeyFileError(f"the private key of App {app_id} cannot be used: {error}") from None

    @classmethod
    def from_file(cls, app_id: str, path: Path) -> "RsaSigner":
        """Read the key from a file.

        Raises:
            KeyFileError: the file cannot be read, or holds no private key.
        """
        try:
            return cls(app_id, path.read_text())
        except (OSError, UnicodeDecodeError) as error:
            raise KeyFileError(f"{path}: {error}") from None

    def sign(self) -> str:
        """Return a JWT, backdated by a minute for clocks that differ."""
        issued_at = int(self._wall()) - BACKDATED_SECONDS
        claims = {"iat": issued_at, "exp": issued_at + JWT_SECONDS, "iss": self._app_id}
        return jwt.encode(claims, self._key, algorithm="RS256")
