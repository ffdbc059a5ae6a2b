CREATE INDEX jobs_open_runners ON jobs (id)
    WHERE phase <> 'finished' AND spec->'execution' ? 'runner';
