CREATE TABLE cluster (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    id     text NOT NULL
);

CREATE TABLE jobs (
    id               text COLLATE "C" PRIMARY KEY,
    repository       text NOT NULL,
    external_id      text NOT NULL,
    spec             jsonb NOT NULL,
    body_hash        text NOT NULL,
    phase            text NOT NULL DEFAULT 'queued',
    attempt          integer NOT NULL DEFAULT 1,
    strikes          integer NOT NULL DEFAULT 0,
    sandbox_id       text,
    host             text,
    fence            bigint,
    conclusion       text,
    reason           text,
    explanation      text,
    exit_code        bigint,
    cancel_requested boolean NOT NULL DEFAULT false,
    dead_letter      boolean NOT NULL DEFAULT false,
    retry_of         text,
    not_before       timestamptz,
    -- Unix time in seconds, by name.
    timestamps       jsonb NOT NULL DEFAULT '{}',
    accepted_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at      timestamptz,
    -- How many events the job has: the seq of the last one.
    events           integer NOT NULL DEFAULT 1,
    UNIQUE (repository, external_id),
    CHECK ((phase = 'queued') = (host IS NULL AND conclusion IS NULL))
);
CREATE INDEX jobs_by_repository ON jobs (repository, id);
CREATE INDEX jobs_queued ON jobs (id) WHERE phase = 'queued';
CREATE INDEX jobs_open ON jobs (phase) WHERE phase <> 'finished';
CREATE INDEX jobs_on_host ON jobs (host) WHERE phase <> 'finished';
CREATE INDEX jobs_waiting ON jobs (accepted_at) WHERE phase = 'queued';
CREATE INDEX jobs_dead ON jobs (id) WHERE dead_letter;
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE phase = 'finished';

CREATE TABLE job_events (
    job_id  text COLLATE "C" NOT NULL,
    seq     integer NOT NULL,
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind    text NOT NULL,
    attempt integer NOT NULL,
    data    jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (job_id, seq)
);

CREATE TABLE leases (
    resource   text PRIMARY KEY,
    holder     text NOT NULL,
    token      bigint NOT NULL,
    expires_at timestamptz NOT NULL,
    -- Makes the token a key column: a write under a fence locks the lease FOR KEY SHARE, which
    -- holds up a new token but not a renewal.
    UNIQUE (resource, token)
);

CREATE TABLE drained_hosts (
    name text PRIMARY KEY
);

CREATE TABLE log_chunks (
    job_id  text COLLATE "C" NOT NULL,
    attempt integer NOT NULL,
    seq     integer NOT NULL,
    at      timestamptz NOT NULL,
    size    integer NOT NULL,
    data    bytea NOT NULL,
    cursor  jsonb NOT NULL,
    marks   jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (job_id, attempt, seq)
);
-- The chunks are compressed already.
ALTER TABLE log_chunks ALTER COLUMN data SET STORAGE EXTERNAL;
