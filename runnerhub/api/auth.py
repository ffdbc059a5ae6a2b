"""Who may do what: bearer tokens (JWT, HS256) with one role each."""

import os
import secrets
import time
from pathlib import Path

import jwt

from runnerhub.errors import RunnerHubError

ALGORITHM = "HS256"
ISSUER = "runnerhub"
DAY_SECONDS = 86400.0
ADMIN_DAYS = 90.0
RENEW_DAYS = 14.0
SECRET_CHARACTERS = 32
MOST_KNOWN = 1024
MOST_OF_SUBJECT = 200

# What each role may do. `read` is looking, `submit` is delegating and cancelling.
PERMISSIONS = {
    "viewer": frozenset({"read"}),
    "proxy": frozenset({"read", "submit"}),
    "operator": frozenset({"read", "submit", "operate"}),
    "admin": frozenset({"read", "submit", "operate", "administer"}),
}


class Unauthorized(RunnerHubError):
    """No token, or one that is not ours or not valid any more."""


class Tokens:
    """Issue and verify tokens under one secret.

    Args:
        secret: at least 32 characters.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._known: dict[str, tuple[str, float]] = {}

    def issue(self, role: str, subject: str, days: float) -> str:
        """Return a token. Raises RunnerHubError when there is no such role."""
        if role not in PERMISSIONS:
            raise RunnerHubError(f"{role!r} is no role; there are {', '.join(PERMISSIONS)}")
        now = time.time()
        claims = {
            "iss": ISSUER,
            "sub": subject,
            "role": role,
            "iat": int(now),
            "exp": int(now + days * DAY_SECONDS),
        }
        return jwt.encode(claims, self._secret, algorithm=ALGORITHM)

    def role_of(self, token: str) -> str:
        """Return the role in a token. Raises Unauthorized, saying why.

        One that was good is known by its text until it expires: its signature cannot go bad.
        """
        known = self._known.get(token)
        if known is not None and time.time() < known[1]:
            return known[0]
        role, expires_at = self._verify(token)
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[token] = role, expires_at
        return role

    def subject_of(self, token: str) -> str:
        """Return whose a token is. Raises Unauthorized when it is not good."""
        self._verify(token)
        claims = jwt.decode(token, options={"verify_signature": False})
        return str(claims["sub"])[:MOST_OF_SUBJECT]

    def _verify(self, token: str) -> tuple[str, float]:
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                options={"require": ["exp", "iss", "sub", "role"]},
            )
        except jwt.ExpiredSignatureError:
            raise Unauthorized("the token has expired; `runnerhub token` issues others") from None
        except (jwt.InvalidTokenError, RecursionError):  # its JSON is read before its signature
            raise Unauthorized("the token is not valid here") from None
        role = claims["role"]
        if not isinstance(role, str) or role not in PERMISSIONS:
            raise Unauthorized("the token has no role that is known here")
        return role, float(int(claims["exp"]))

    def seconds_left(self, token: str) -> float:
        """Return how long a token is valid; 0 when it is not."""
        try:
            claims = jwt.decode(token, self._secret, algorithms=[ALGORITHM], issuer=ISSUER)
        except jwt.InvalidTokenError:
            return 0.0
        return max(0.0, float(claims.get("exp", 0)) - time.time())


def load_or_create_secret(data_dir: Path) -> str:
    """Return the secret that is kept, readable by its owner only, in a data folder."""
    path = data_dir / "api.secret"
    if path.exists():
        secret = path.read_text().strip()
        if len(secret) >= SECRET_CHARACTERS:
            return secret
        raise RunnerHubError(f"{path} holds fewer than {SECRET_CHARACTERS} characters; remove it")
    secret = secrets.token_urlsafe(48)
    _write_private(path, secret)
    return secret


def ensure_admin_token(data_dir: Path, tokens: Tokens) -> Path:
    """See to it that `admin.token` holds a valid token; renew it when it ends soon."""
    path = data_dir / "admin.token"
    present = path.read_text().strip() if path.exists() else ""
    if tokens.seconds_left(present) < RENEW_DAYS * DAY_SECONDS:
        _write_private(path, tokens.issue("admin", "admin", ADMIN_DAYS))
    return path


def _write_private(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
