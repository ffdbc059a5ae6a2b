"""Registration and removal tokens, and the tokens of the scale-set service."""

import jwt

from runnerhub.sim.github.core import Core
from runnerhub.sim.github.refusals import Refusal
from runnerhub.sim.github.things import Scope

TOKEN_SECONDS = 3600.0


class Registration:
    """Tokens that register runners and scale sets.

    Attributes:
        admin_seconds: how long the scale-set service's admin token lasts.
        queue_seconds: how long a message queue's token lasts.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._key = core.secret(size=64)
        self._tokens: dict[str, tuple[Scope, str, float]] = {}
        self.admin_seconds = 3600.0
        self.queue_seconds = 3600.0

    def issue(self, scope: Scope, purpose: str) -> tuple[str, float]:
        """Issue a token for a purpose, `register` or `remove`; return it and when it expires."""
        token = self._core.secret("A", 28).upper()
        expires_at = self._core.now() + TOKEN_SECONDS
        self._tokens[token] = (scope, purpose, expires_at)
        return token, expires_at

    def scope_of(self, token: str, purpose: str) -> Scope:
        """Return the scope of a token.

        Raises:
            Refusal: 401, it is not good for that.
        """
        scope, issued_for, expires_at = self._tokens.get(token, (None, "", 0.0))
        if scope is None or issued_for != purpose or expires_at <= self._core.now():
            raise Refusal(401, "Token is invalid or expired")
        return scope

    def sign(self, audience: str, subject: str, seconds: float) -> str:
        """Return a JWT for the scale-set service, such as for `admin` and a scope."""
        now = self._core.now()
        claims = {"aud": audience, "sub": subject, "iat": int(now), "exp": int(now + seconds)}
        return jwt.encode(claims, self._key, algorithm="HS256")

    def verify(self, token: str, audience: str) -> str:
        """Return the subject of a JWT.

        Raises:
            Refusal: 401, it is not good, or has expired.
        """
        try:
            options = {"verify_exp": False, "verify_iat": False}
            claims = jwt.decode(
                token,
                self._key,
                algorithms=["HS256"],
                audience=audience,
                options=options,  # type: ignore[arg-type]
            )
        except jwt.PyJWTError:
            raise Refusal(401, "The token is not good", kind="UnauthorizedException") from None
        if claims["exp"] <= self._core.now():
            raise Refusal(401, "The token has expired", kind="TokenExpiredException")
        return str(claims["sub"])
