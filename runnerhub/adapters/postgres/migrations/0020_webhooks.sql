-- What GitHub's webhooks brought, and where each workflow job stands.

CREATE TABLE webhook_deliveries (
    seq         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    guid        text COLLATE "C" NOT NULL,
    -- Of the body: the id is not signed, so the same id with another body is another delivery.
    digest      bytea NOT NULL,
    event       text NOT NULL,
    action      text,
    asks        jsonb NOT NULL,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    state       text NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'done', 'dead')),
    attempts    integer NOT NULL DEFAULT 0,
    -- When it may be taken: claimed or put off until then.
    due_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    holder      text,
    error       text,
    ended_at    timestamptz,
    UNIQUE (guid, digest)
);
CREATE INDEX webhook_deliveries_new ON webhook_deliveries (seq) WHERE state = 'new';
CREATE INDEX webhook_deliveries_dead ON webhook_deliveries (seq) WHERE state = 'dead';
CREATE INDEX webhook_deliveries_ended ON webhook_deliveries (ended_at) WHERE state <> 'new';

CREATE TABLE webhook_hooks (
    -- As a path of GitHub's API.
    path    text PRIMARY KEY,
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE github_jobs (
    id              bigint PRIMARY KEY,
    repository      text NOT NULL,
    -- Empty for a moment only, while a job that is told of for the first time is written.
    status          text NOT NULL DEFAULT '',
    labels          text[] NOT NULL DEFAULT '{}',
    -- The labels in lower case.
    wants           text[] NOT NULL DEFAULT '{}',
    conclusion      text,
    run_id          bigint,
    run_attempt     bigint,
    name            text,
    workflow        text,
    head_branch     text,
    runner_id       bigint,
    runner_name     text,
    runner_group_id bigint,
    installation_id bigint,
    created_at      timestamptz,
    started_at      timestamptz,
    completed_at    timestamptz,
    first_seen_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    heard_at        timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX github_jobs_queued
    ON github_jobs (coalesce(created_at, first_seen_at), id) WHERE status = 'queued';
CREATE INDEX github_jobs_open ON github_jobs (heard_at) WHERE status <> 'completed';
CREATE INDEX github_jobs_heard ON github_jobs (heard_at);
CREATE INDEX github_jobs_by_runner ON github_jobs (runner_name) WHERE runner_name IS NOT NULL;
