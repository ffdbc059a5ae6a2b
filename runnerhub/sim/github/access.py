"""Who may what: tokens, Apps, and their installations."""

from dataclasses import dataclass, field
from typing import Literal

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from runnerhub.sim.github.core import Core
from runnerhub.sim.github.places import Places
from runnerhub.sim.github.refusals import Refusal, not_found
from runnerhub.sim.github.things import Account, Repository

TOKEN_SECONDS = 3600.0
_MOST_JWT_SECONDS = 600.0
_DRIFT_SECONDS = 60.0
_CLASSIC = {
    "metadata": "repo",
    "actions": "repo",
    "administration": "repo",
    "repository_hooks": "admin:repo_hook",
    "organization_hooks": "admin:org_hook",
    "organization_self_hosted_runners": "admin:org",
    "enterprise_runners": "manage_runners:enterprise",
}
ALL_PERMISSIONS = {
    "actions": "write",
    "administration": "write",
    "checks": "read",
    "contents": "read",
    "metadata": "read",
    "repository_hooks": "write",
    "organization_hooks": "write",
    "organization_self_hosted_runners": "write",
}


@dataclass(slots=True, eq=False)
class App:
    """A GitHub App."""

    id: int
    slug: str
    owner: Account
    public_key: rsa.RSAPublicKey
    permissions: dict[str, str]
    events: list[str]
    created_at: float


@dataclass(slots=True, eq=False)
class Installation:
    """An App in an account. `repositories`: their full names in lower case; None for all."""

    id: int
    app: App
    account: Account
    permissions: dict[str, str]
    created_at: float
    repositories: frozenset[str] | None = None

    def covers(self, repository: Repository) -> bool:
        """Say whether it may see a repository."""
        if repository.owner is not self.account:
            return False
        return self.repositories is None or repository.full_name.lower() in self.repositories


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request.

    Attributes:
        kind: none, pat, app (by JWT), or installation.
        key: what its limits are counted under.
        scopes: of a classic token; None for any other.
        permissions: None for all.
    """

    kind: Literal["none", "pat", "app", "installation"]
    key: str
    account: Account | None = None
    scopes: frozenset[str] | None = None
    permissions: dict[str, str] | None = None
    app: App | None = None
    installation: Installation | None = None

    def may(self, permission: str, level: str) -> bool:
        """Say whether it holds a permission, `read` or `write`."""
        if self.scopes is not None:
            wanted = _CLASSIC.get(permission, "repo")
            covering = {"repo"} if wanted == "admin:repo_hook" else set()
            return bool(self.scopes & ({wanted} | covering))
        if self.permissions is None:
            return True
        held = self.permissions.get(permission)
        return held in ({"write", "admin"} if level == "write" else {"read", "write", "admin"})


@dataclass(slots=True)
class _Token:
    caller: Caller
    expires_at: float | None = None


NOBODY = Caller("none", "unauthenticated")


@dataclass(slots=True)
class _Book:
    tokens: dict[str, _Token] = field(default_factory=dict)
    apps: dict[int, App] = field(default_factory=dict)
    installations: dict[int, Installation] = field(default_factory=dict)


class Access:
    """All credentials."""

    def __init__(self, core: Core, places: Places) -> None:
        self._core = core
        self._places = places
        self._book = _Book()

    # ------------------------------------------------------------------ making them

    def add_token(
        self,
        token: str,
        login: str,
        *,
        scopes: list[str] | None = None,
        permissions: dict[str, str] | None = None,
    ) -> None:
        """Let a personal access token be good. With neither scopes nor permissions it may all."""
        held = None if scopes is None else frozenset(scopes)
        account = self._places.add_account(login, "User")
        caller = Caller("pat", f"pat:{login}", account, held, permissions)
        self._book.tokens[token] = _Token(caller)

    def revoke(self, token: str) -> None:
        """Let a token be good no more."""
        self._book.tokens.pop(token, None)

    def add_app(
        self,
        slug: str,
        owner: str,
        permissions: dict[str, str] | None = None,
        events: list[str] | None = None,
    ) -> tuple[App, str]:
        """Make an App; return it and its private key, PEM."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        ).decode()
        number = self._core.next_id("app")
        app = App(
            number, slug, self._places.add_account(owner), key.public_key(),
            dict(ALL_PERMISSIONS if permissions is None else permissions),
            events or ["workflow_job", "workflow_run"], self._core.now(),
        )  # fmt: skip
        self._book.apps[number] = app
        return app, pem

    def install(
        self,
        app: App,
        login: str,
        repositories: list[str] | None = None,
        permissions: dict[str, str] | None = None,
    ) -> Installation:
        """Install an App in an account."""
        chosen = None if repositories is None else frozenset(r.lower() for r in repositories)
        number = self._core.next_id("installation")
        made = Installation(
            number, app, self._places.add_account(login),
            dict(app.permissions if permissions is None else permissions),
            self._core.now(), chosen,
        )  # fmt: skip
        self._book.installations[number] = made
        return made

    # ------------------------------------------------------------------ finding them

    def app(self, number: int) -> App:
        """Return an App.

        Raises:
            Refusal: 404.
        """
        found = self._book.apps.get(number)
        if found is None:
            raise not_found()
        return found

    def installations(self, app: App) -> list[Installation]:
        """Return the installations of an App."""
        return [each for each in self._book.installations.values() if each.app is app]

    def installation(self, app: App, number: int) -> Installation:
        """Return an installation of an App.

        Raises:
            Refusal: 404.
        """
        found = self._book.installations.get(number)
        if found is None or found.app is not app:
            raise not_found()
        return found

    def installation_for(self, app: int, repository: Repository) -> Installation | None:
        """Return the installation of an App that covers a repository."""
        for each in self._book.installations.values():
            if each.app.id == app and each.covers(repository):
                return each
        return None

    # ------------------------------------------------------------------ using them

    def issue(
        self, installation: Installation, permissions: dict[str, str] | None
    ) -> tuple[str, float]:
        """Issue an installation token; return it and when it expires.

        Raises:
            Refusal: 422, more is asked for than the installation holds.
        """
        held = installation.permissions
        for name, level in (permissions or {}).items():
            if name not in held or (level == "write" and held[name] == "read"):
                raise Refusal(
                    422, "The permissions requested are not granted to this installation."
                )
        token = self._core.secret("ghs_")
        expires_at = self._core.now() + TOKEN_SECONDS
        caller = Caller(
            "installation", f"installation:{installation.id}", installation.account,
            permissions=dict(permissions or held), app=installation.app, installation=installation,
        )  # fmt: skip
        self._book.tokens[token] = _Token(caller, expires_at)
        return token, expires_at

    def who(self, authorization: str | None) -> Caller:
        """Return who a request is from.

        Raises:
            Refusal: 401, the credential is not good.
        """
        if not authorization:
            return NOBODY
        _, _, token = authorization.partition(" ")
        token = token.strip()
        if token.startswith("eyJ"):
            app = self._app_of(token)
            return Caller("app", f"app:{app.id}", app.owner, app=app)
        found = self._book.tokens.get(token)
        if found is None:
            raise Refusal(401, "Bad credentials")
        if found.expires_at is not None and found.expires_at <= self._core.now():
            del self._book.tokens[token]
            raise Refusal(401, "Bad credentials")
        return found.caller

    def _app_of(self, token: str) -> App:
        try:
            claims = jwt.decode(token, options={"verify_signature": False})
            app = self._book.apps[int(claims["iss"])]
            options = {"verify_exp": False, "verify_iat": False, "require": ["exp", "iat"]}
            claims = jwt.decode(token, app.public_key, algorithms=["RS256"], options=options)  # type: ignore[arg-type]
            issued, expires = float(claims["iat"]), float(claims["exp"])
        except (jwt.PyJWTError, KeyError, TypeError, ValueError):
            raise Refusal(401, "A JSON web token could not be decoded") from None
        now = self._core.now()
        if issued > now + _DRIFT_SECONDS:
            raise Refusal(401, "'Issued at' claim ('iat') must be in the past")
        if expires > now + _MOST_JWT_SECONDS + _DRIFT_SECONDS:
            raise Refusal(401, "'Expiration time' claim ('exp') is too far in the future")
        if expires <= now:
            raise Refusal(401, "'Expiration time' claim ('exp') must be in the future")
        return app
