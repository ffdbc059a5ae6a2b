"""Leases of hosts, by the clock of the store; and which hosts an operator drains."""

from collections.abc import Sequence

from runnerhub.adapters.postgres.store import Store
from runnerhub.model.lease import Lease

_ACQUIRE = """
INSERT INTO leases (resource, holder, token, expires_at)
VALUES ($1, $2, 1, clock_timestamp() + make_interval(secs => $3))
ON CONFLICT (resource) DO UPDATE SET holder = $2, token = leases.token + 1,
    expires_at = clock_timestamp() + make_interval(secs => $3)
    WHERE leases.holder = $2 OR leases.expires_at <= clock_timestamp()
RETURNING token
"""

_RENEW = """
UPDATE leases SET expires_at = clock_timestamp() + make_interval(secs => given.ttl)
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::float8[])
    AS given (resource, holder, token, ttl)
WHERE leases.resource = given.resource AND leases.holder = given.holder
    AND leases.token = given.token
RETURNING leases.resource
"""

_RELEASE = """
UPDATE leases SET expires_at = clock_timestamp()
WHERE resource = $1 AND holder = $2 AND token = $3 AND expires_at > clock_timestamp()
"""


class Leases(Store):
    """Who owns what."""

    async def acquire_lease(self, resource: str, holder: str, ttl_seconds: float) -> Lease | None:
        """Take a lease, always under a higher token; None while another holds it."""
        found = await self._fetch(_ACQUIRE, resource, holder, float(ttl_seconds))
        return Lease(resource, holder, found[0]["token"], ttl_seconds) if found else None

    async def renew_leases(self, leases: Sequence[Lease]) -> Sequence[Lease]:
        """Renew those still held under their token, even when expired; return them."""
        if not leases:
            return ()
        found = await self._fetch(
            _RENEW,
            [lease.resource for lease in leases],
            [lease.holder for lease in leases],
            [lease.token for lease in leases],
            [float(lease.ttl_seconds) for lease in leases],
        )
        renewed = {row["resource"] for row in found}
        return [lease for lease in leases if lease.resource in renewed]

    async def release_lease(self, lease: Lease) -> None:
        """Let a lease expire now, if it is still held under its token."""
        await self._fetch(_RELEASE, lease.resource, lease.holder, lease.token)

    async def drained_hosts(self) -> frozenset[str]:
        """Return the names of hosts that an operator drains."""
        return frozenset(row["name"] for row in await self._fetch("SELECT * FROM drained_hosts"))

    async def set_drained(self, host: str, *, drained: bool) -> None:
        """Drain a host, or take it back into service."""
        if drained:
            sql = "INSERT INTO drained_hosts (name) VALUES ($1) ON CONFLICT DO NOTHING"
        else:
            sql = "DELETE FROM drained_hosts WHERE name = $1"
        await self._fetch(sql, host)
