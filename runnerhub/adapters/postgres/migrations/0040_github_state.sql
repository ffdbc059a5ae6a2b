-- What is kept of GitHub, and the lists that are looked at for it.

CREATE TABLE github_things (
    kind       text NOT NULL,
    -- The look that finds it, in lower case.
    source     text COLLATE "C" NOT NULL,
    id         bigint NOT NULL,
    scope      text COLLATE "C" NOT NULL,
    -- A thing is never replaced by an older one of itself.
    version    text COLLATE "C" NOT NULL DEFAULT '',
    data       jsonb NOT NULL,
    seen_at    timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, source, id)
);
CREATE INDEX github_things_newest ON github_things (kind, id DESC, lower(scope));
CREATE INDEX github_things_of ON github_things (kind, lower(scope), id DESC);
CREATE INDEX github_runs_changed ON github_things (changed_at) WHERE kind = 'runs';

CREATE TABLE github_looks (
    kind      text NOT NULL,
    source    text COLLATE "C" NOT NULL,
    scope     text NOT NULL,
    due_at    timestamptz NOT NULL DEFAULT now(),
    interval  double precision NOT NULL DEFAULT 0,
    -- [[etag, count], …]
    pages     jsonb NOT NULL DEFAULT '[]',
    since     bigint NOT NULL DEFAULT 0,
    busy      boolean NOT NULL DEFAULT false,
    looked_at timestamptz,
    told_at   timestamptz,
    PRIMARY KEY (kind, source)
);
CREATE INDEX github_looks_due ON github_looks (due_at);

CREATE INDEX github_jobs_of_run ON github_jobs (run_id) WHERE run_id IS NOT NULL;
