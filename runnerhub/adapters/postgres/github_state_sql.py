"""The statements of `github_state`."""

DROP_LOOKS = "DELETE FROM github_looks WHERE kind = $1 AND NOT source = ANY($2::text[])"
DROP_THINGS = "DELETE FROM github_things WHERE kind = $1 AND NOT source = ANY($2::text[])"
ENLIST = """
INSERT INTO github_looks (kind, source, scope)
SELECT $1, * FROM unnest($2::text[], $3::text[]) AS given (source, scope)
ON CONFLICT (kind, source) DO UPDATE SET scope = excluded.scope
    WHERE github_looks.scope <> excluded.scope
"""

DUE = """
SELECT *, now() AS now,
    coalesce(told_at > now() - make_interval(days => $2), false) AS told
FROM github_looks WHERE due_at <= now() ORDER BY due_at, kind, source LIMIT $1
"""

KEEP = """
INSERT INTO github_things AS t (kind, source, id, scope, version, data)
SELECT $1, source, id, scope, version, data FROM jsonb_to_recordset($2::jsonb)
    AS given (source text, id bigint, scope text, version text, data jsonb)
ORDER BY source, id
ON CONFLICT (kind, source, id) DO UPDATE SET
    scope = excluded.scope, version = excluded.version, data = excluded.data, seen_at = now(),
    changed_at = CASE WHEN t.data IS DISTINCT FROM excluded.data THEN now() ELSE t.changed_at END
    WHERE t.version <= excluded.version
RETURNING t.changed_at = now() AS changed
"""

REMOVE = """
DELETE FROM github_things WHERE kind = $1 AND source = $2 AND NOT id = ANY($3::bigint[])
    AND id >= $4 AND ($5::timestamptz IS NULL OR seen_at < $5) RETURNING id
"""

PLANNED = """
UPDATE github_looks SET interval = $3, pages = $4::jsonb, since = $5, busy = $6,
    looked_at = now(), due_at = now() + make_interval(secs => $7)
WHERE kind = $1 AND source = $2
"""

PUT_OFF = """
UPDATE github_looks SET due_at = now() + make_interval(secs => $3) WHERE kind = $1 AND source = $2
"""

TOLD = """
UPDATE github_looks SET told_at = now() WHERE source = ANY($1::text[]) AND kind <> 'repositories'
    AND (told_at IS NULL OR told_at < now() - interval '1 hour')
"""

SOON = """
UPDATE github_looks SET due_at = now() + make_interval(secs => $3)
WHERE kind = $1 AND ($2 = '' OR source = $2) AND due_at > now() + make_interval(secs => $3)
"""

VISIBLE = """
SELECT DISTINCT ON (lower(scope)) scope, data->>'owner_kind' AS owner_kind FROM github_things
WHERE kind = 'repositories' AND data->>'archived' = 'false' ORDER BY lower(scope), seen_at DESC
"""

# Of the last day; a run's attempts are apart, and only its latest counts.
DOUBTFUL = """
WITH jobs AS (
    SELECT run_id, coalesce(run_attempt, 1) AS attempt, min(repository) AS repository,
        bool_and(status = 'completed') AS done, max(heard_at) AS heard_at
    FROM github_jobs WHERE run_id IS NOT NULL AND heard_at > now() - interval '1 day'
    GROUP BY 1, 2
), runs AS (
    SELECT id, scope, (data->>'attempt')::bigint AS attempt, data->>'status' = 'completed' AS done,
        changed_at, (data->>'updated_at')::timestamptz AS updated_at
    FROM github_things WHERE kind = 'runs' AND changed_at > now() - interval '1 day'
), both_ AS (
    SELECT coalesce(runs.scope, jobs.repository) AS scope, coalesce(runs.id, jobs.run_id) AS id,
        greatest(runs.changed_at, jobs.heard_at) AS settled_at,
        CASE
            WHEN jobs.run_id IS NULL
                THEN NOT runs.done OR runs.updated_at > now() - interval '1 hour'
            WHEN runs.id IS NULL THEN NOT EXISTS (
                SELECT 1 FROM github_things t WHERE t.kind = 'runs' AND t.id = jobs.run_id
                    AND (t.data->>'attempt')::bigint >= jobs.attempt)
            ELSE runs.done <> jobs.done
        END AS doubtful
    FROM runs FULL JOIN jobs ON jobs.run_id = runs.id AND jobs.attempt = runs.attempt
)
SELECT DISTINCT ON (id) scope, id FROM both_
WHERE doubtful AND settled_at < now() - make_interval(secs => $1) AND EXISTS (
    SELECT 1 FROM github_looks l WHERE l.kind = 'runs' AND l.source = lower(both_.scope))
ORDER BY id DESC LIMIT $2
"""

FORGET = "DELETE FROM github_things WHERE kind = $1 AND source = $2 AND id = $3"

# What a look found unchanged was seen by it.
_SEEN_AT = """
CASE WHEN l.looked_at > t.seen_at AND t.id >= l.since THEN l.looked_at ELSE t.seen_at END
"""

THINGS = f"""
SELECT DISTINCT ON (t.id, lower(t.scope)) t.id, t.scope, t.data, t.version, {_SEEN_AT} AS seen_at
FROM github_things t LEFT JOIN github_looks l USING (kind, source)
WHERE kind = $1 AND ($2::text[] IS NULL OR lower(t.scope) = ANY($2))
    AND ($3::bigint IS NULL OR (t.id, lower(t.scope)) < ($3, $4::text))
ORDER BY t.id DESC, lower(t.scope) DESC, 5 DESC LIMIT $5
"""  # noqa: S608 - constants

JOBS = "SELECT * FROM github_jobs WHERE run_id = ANY($1::bigint[]) ORDER BY id"

PRUNE = f"""
WITH old AS (
    SELECT kind, source, t.id FROM github_things t LEFT JOIN github_looks l USING (kind, source)
    WHERE kind = 'runs' AND t.seen_at < now() - make_interval(secs => $1)
        AND {_SEEN_AT} < now() - make_interval(secs => $1)
    LIMIT $2
)
DELETE FROM github_things t USING old
WHERE t.kind = old.kind AND t.source = old.source AND t.id = old.id RETURNING t.id
"""  # noqa: S608 - constants
