"""What the configuration asks of a credential, and what of it the credential lacks. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

READ, WRITE = "read", "write"
_RANKS = {READ: 1, WRITE: 2, "admin": 3}


@dataclass(frozen=True, slots=True)
class Need:
    """Something that a credential must be allowed.

    Attributes:
        permission: of a GitHub App or a fine-grained token.
        classic: scopes of a classic token, any of which is enough; the first is the least.
        why: what needs it.
        place: where it must be, `orgs/NAME` or `repos/OWNER/NAME`; None for everywhere.
        probe: below a repository or an organisation, what only reads under this permission.
    """

    permission: str
    level: str
    classic: tuple[str, ...]
    why: str
    place: str | None = None
    probe: str | None = None

    @property
    def account(self) -> str | None:
        """The owner at whom it must be, in lower case; None for every owner."""
        return self.place.split("/")[1].lower() if self.place else None

    def __str__(self) -> str:
        where = f" at {self.place.partition('/')[2]}" if self.place else ""
        return f"`{self.permission}: {self.level}`{where} ({self.why})"


SYNC = (
    Need("metadata", READ, ("repo",), "sync"),
    Need("actions", READ, ("repo",), "sync", probe="/actions/runs"),
)
REPLAY = Need("repository_hooks", WRITE, ("admin:repo_hook", "repo"), "replay of lost webhooks")
ENTERPRISES = "enterprise_runners"


def needs_of(scopes: Collection[str], *, webhooks: bool, app: bool) -> list[Need]:
    """Return what is asked of a credential.

    Args:
        scopes: of the pools and scale sets whose runners it registers: `repository`, `orgs/NAME`,
            `repos/OWNER/NAME`, `enterprises/NAME`.
        webhooks: whether they are taken.
        app: whether it is a GitHub App's, which needs no permission to replay its own webhook.
    """
    found = [*SYNC]
    for scope in sorted(scopes):
        kind = scope.partition("/")[0]
        why = f"runners with scope {scope!r}"
        if kind in {"repository", "repos"}:
            place = scope if kind == "repos" else None
            need = Need("administration", WRITE, ("repo",), why, place, "/actions/runners")
        elif kind == "orgs":
            classic = ("admin:org", "manage_runners:org")
            permission = "organization_self_hosted_runners"
            need = Need(permission, WRITE, classic, why, scope, "/actions/runners")
        else:
            classic = ("manage_runners:enterprise", "admin:enterprise")
            need = Need(ENTERPRISES, WRITE, classic, why)
        found.append(need)
    if webhooks and not app:
        found.append(REPLAY)
    return found


def lacking(needs: Sequence[Need], held: Mapping[str, str], account: str | None) -> list[Need]:
    """Return the needs that an App's permissions do not meet.

    Args:
        needs: what is asked.
        held: level by permission.
        account: whose installation it is; None for the App itself.
    """
    return [
        need
        for need in needs
        if _RANKS.get(held.get(need.permission, ""), 0) < _RANKS[need.level]
        and (account is None or need.account in {None, account.lower()})
    ]


def lacking_scopes(needs: Sequence[Need], held: Collection[str]) -> list[Need]:
    """Return the needs that a classic token's scopes do not meet."""
    return [need for need in needs if not set(need.classic) & set(held)]


def scopes_of(header: str) -> frozenset[str]:
    """Return the scopes in the header `x-oauth-scopes`."""
    return frozenset(part.strip() for part in header.split(",") if part.strip())
