"""What stands before every handler: the token, the role, and the bounds of a request."""

from collections.abc import Awaitable, Callable
from functools import wraps
from http import HTTPStatus
from typing import ParamSpec, TypeVar

from quart import current_app, request

from runnerhub.api.auth import PERMISSIONS, Tokens, Unauthorized
from runnerhub.api.problems import Problem

P = ParamSpec("P")
T = TypeVar("T")


def role_of(tokens: Tokens, authorization: str | None) -> str | None:
    """Return the role of the token in a header; None when there is none. Raises Problem."""
    if not authorization:
        return None
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise _unauthorized("the Authorization header must be: Bearer TOKEN")
    try:
        return tokens.role_of(token.strip())
    except Unauthorized as error:
        raise _unauthorized(str(error)) from None


def permit(tokens: Tokens, authorization: str | None, permission: str) -> None:
    """Let only a role pass that has a permission. Raises Problem."""
    role = role_of(tokens, authorization)
    if role is None:
        raise _unauthorized("this needs a token: Authorization: Bearer TOKEN")
    if permission not in PERMISSIONS[role]:
        able = " or ".join(r for r, may in PERMISSIONS.items() if permission in may)
        raise Problem(HTTPStatus.FORBIDDEN, f"the role {role} may not; it takes {able}")


def role_of_request() -> str | None:
    """Return the role of the token in the request; None when there is none. Raises Problem."""
    return role_of(current_app.config["TOKENS"], request.headers.get("Authorization"))


def subject_of_request() -> str:
    """Return whose token is in a request that was let pass."""
    _, _, token = request.headers.get("Authorization", "").partition(" ")
    tokens: Tokens = current_app.config["TOKENS"]
    return tokens.subject_of(token.strip())


def needs(permission: str) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
    """Let a handler be reached only with a role that has a permission."""

    def decorate(handler: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        @wraps(handler)
        async def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
            authorization = request.headers.get("Authorization")
            permit(current_app.config["TOKENS"], authorization, permission)
            return await handler(*args, **kwargs)

        return guarded

    return decorate


def _unauthorized(why: str) -> Problem:
    return Problem(HTTPStatus.UNAUTHORIZED, why, headers={"WWW-Authenticate": "Bearer"})
