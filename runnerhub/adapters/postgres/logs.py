"""Logs, as compressed chunks. Those of many jobs are written together."""

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from runnerhub.adapters.postgres import rows
from runnerhub.adapters.postgres.gathering import Gathering
from runnerhub.adapters.postgres.store import Store
from runnerhub.model.logs import LogCursor
from runnerhub.ports.errors import StaleFence
from runnerhub.ports.ledger import LogChunk
from runnerhub.runtime.bridge import Bridge

_COMPRESSION = 1  # text shrinks well enough, and this thread has other work
_MOST = 64  # of at most 64 KiB each

_APPEND = """
WITH held AS (
    SELECT given.* FROM unnest(
        $1::text[], $2::bigint[], $3::integer[], $4::integer[], $5::timestamptz[], $6::integer[],
        $7::bytea[], $8::jsonb[], $9::jsonb[]
    ) AS given (id, fence, attempt, seq, at, size, data, cursor, marks)
    JOIN jobs ON jobs.id = given.id
    JOIN leases ON leases.resource = 'host:' || jobs.host
    WHERE leases.token = given.fence AND jobs.attempt = given.attempt
    ORDER BY jobs.id
    FOR KEY SHARE OF leases
), put AS (
    INSERT INTO log_chunks (job_id, attempt, seq, at, size, data, cursor, marks)
    SELECT id, attempt, seq, coalesce(at, clock_timestamp()), size, data, cursor, marks FROM held
    ON CONFLICT DO NOTHING
)
SELECT id FROM held
"""

_ENDS = """
SELECT job_id, attempt, max(seq) AS last, sum(size)::bigint AS bytes,
    (array_agg(cursor ORDER BY seq DESC))[1] AS cursor
FROM unnest($1::text[], $2::integer[]) AS given (job_id, attempt)
JOIN log_chunks USING (job_id, attempt)
GROUP BY job_id, attempt
"""

End = tuple[int, LogCursor, int]
_NOWHERE: End = (0, LogCursor(), 0)


@dataclass(frozen=True, slots=True)
class _Append:
    job_id: str
    fence: int
    chunk: LogChunk
    data: bytes


@dataclass(frozen=True, slots=True)
class _FindEnd:
    job_id: str
    attempt: int


class Logs(Store):
    """Logs of jobs."""

    def __init__(self, bridge: Bridge, url: str, *, connections: int = 10) -> None:
        super().__init__(bridge, url, connections=connections)
        # In one line, because a chunk may be written after whoever asked for it was cancelled:
        # the end that the next pump finds lies behind it.
        self._line: Gathering[_Append | _FindEnd, End] = Gathering(
            bridge, self._serve, apart=lambda what: what.job_id, most=_MOST
        )

    async def close(self) -> None:
        """Close the connections; harmless when repeated."""
        await self._line.close()
        await super().close()

    async def append_log(self, chunk: LogChunk, fence: int) -> None:
        """Append the next chunk. The same seq again is ignored."""
        data = zlib.compress(chunk.data, _COMPRESSION)
        await self._line.ask(_Append(chunk.job_id, fence, chunk, data))

    async def log_end(self, job_id: str, attempt: int) -> tuple[int, LogCursor, int]:
        """Return the next seq, the cursor behind the last chunk, and the bytes of the log."""
        return await self._line.ask(_FindEnd(job_id, attempt))

    async def log_chunks(
        self, job_id: str, attempt: int, from_seq: int = 0, limit: int = 64
    ) -> Sequence[LogChunk]:
        """Return chunks in order."""
        found = await self._fetch(
            "SELECT * FROM log_chunks WHERE job_id = $1 AND attempt = $2 AND seq >= $3"
            " ORDER BY seq LIMIT $4",
            job_id,
            attempt,
            from_seq,
            limit,
        )
        return [
            LogChunk(
                job_id,
                attempt,
                row["seq"],
                zlib.decompress(row["data"]),
                rows.cursor_from_json(row["cursor"]),
                row["at"],
                json.loads(row["marks"]),
            )
            for row in found
        ]

    async def _serve(self, asked: Sequence[_Append | _FindEnd]) -> Sequence[End | Exception]:
        async def work(connection: Any) -> dict[str, End | Exception]:  # noqa: ANN401 - asyncpg has no types
            answers: dict[str, End | Exception] = {}
            if appends := [each for each in asked if isinstance(each, _Append)]:
                answers |= await _append(connection, appends)
            if finds := [each for each in asked if isinstance(each, _FindEnd)]:
                answers |= await _find_ends(connection, finds)
            return answers

        answers = await self._work(work)
        return [answers[each.job_id] for each in asked]


async def _append(
    connection: Any,  # noqa: ANN401 - asyncpg has no types
    appends: Sequence[_Append],
) -> dict[str, End | Exception]:
    chunks = [each.chunk for each in appends]
    found = await connection.fetch(
        _APPEND,
        [each.job_id for each in appends],
        [each.fence for each in appends],
        [chunk.attempt for chunk in chunks],
        [chunk.seq for chunk in chunks],
        [chunk.at for chunk in chunks],
        [len(chunk.data) for chunk in chunks],
        [each.data for each in appends],
        [rows.cursor_to_json(chunk.cursor) for chunk in chunks],
        [rows.dump(dict(chunk.marks)) for chunk in chunks],
    )
    held = {row["id"] for row in found}
    return {
        each.job_id: _NOWHERE
        if each.job_id in held
        else StaleFence(f"the log of job {each.job_id} is no longer written under {each.fence}")
        for each in appends
    }


async def _find_ends(
    connection: Any,  # noqa: ANN401 - asyncpg has no types
    finds: Sequence[_FindEnd],
) -> dict[str, End | Exception]:
    found = await connection.fetch(
        _ENDS, [each.job_id for each in finds], [each.attempt for each in finds]
    )
    ends: dict[str, End | Exception] = {each.job_id: _NOWHERE for each in finds}
    for row in found:
        cursor = rows.cursor_from_json(row["cursor"])
        ends[row["job_id"]] = (row["last"] + 1, cursor, row["bytes"])
    return ends
