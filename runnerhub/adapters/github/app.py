"""Sign as a GitHub App, with its private key."""

from pathlib import Path

import jwt
from gidgethub.apps import get_jwt

from runnerhub.errors import RunnerHubError

JWT_SECONDS = 9 * 60  # GitHub takes no more than ten minutes


class KeyFileError(RunnerHubError):
    """The private key of an App cannot be used."""


class RsaSigner:
    """Sign JWTs by RS256.

    Args:
        app_id: of the App.
        key: PEM.

    Raises:
        KeyFileError: it is no private key.
    """

    def __init__(self, app_id: str, key: str) -> None:
        self._app_id = app_id
        self._key = key
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
        return get_jwt(app_id=self._app_id, private_key=self._key, expiration=JWT_SECONDS)
