-- What the listeners of scale sets were told, and what they opened and registered.

CREATE TABLE scale_sets (
    name       text PRIMARY KEY,
    -- Of the session that was opened last; null when it is known to be over.
    session_id text,
    -- The token of the lease under which that was written.
    fence      bigint NOT NULL
);

CREATE TABLE scale_set_jobs (
    scale_set   text NOT NULL,
    request_id  bigint NOT NULL,
    -- Empty for a moment only, while a job that is told of for the first time is written.
    state       text NOT NULL DEFAULT '',
    job_id      bigint,
    runner_name text,
    job         jsonb NOT NULL DEFAULT '{}',
    heard_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (scale_set, request_id)
);
CREATE INDEX scale_set_jobs_available
    ON scale_set_jobs (scale_set, request_id) WHERE state = 'available';
CREATE INDEX scale_set_jobs_by_runner
    ON scale_set_jobs (runner_name) WHERE runner_name IS NOT NULL;
CREATE INDEX scale_set_jobs_heard ON scale_set_jobs (heard_at);

CREATE TABLE scale_set_runners (
    name      text PRIMARY KEY,
    scope     text NOT NULL,
    scale_set bigint NOT NULL,
    noted_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX scale_set_runners_by_scope ON scale_set_runners (scope, noted_at);
