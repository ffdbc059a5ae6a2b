-- Answers of GitHub that stay fresh for long, kept over restarts. Losing them costs requests only.

CREATE TABLE github_cache (
    key text PRIMARY KEY,
    etag text,
    body bytea NOT NULL,
    tags text[] NOT NULL DEFAULT '{}',
    next text,
    fresh_until double precision NOT NULL DEFAULT 0,
    stored_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX github_cache_tags ON github_cache USING gin (tags);
CREATE INDEX github_cache_stored ON github_cache (stored_at);
