-- How often in a row a job got no clear answer from its remote, and since when (ms); 0 and null once it got one.
ALTER TABLE jobs ADD COLUMN unclear INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN unclear_since INTEGER;

-- Of jobs that are equally urgent those that have failed come last: one that fails each time holds up none of the others.
DROP INDEX jobs_urgent;
CREATE INDEX jobs_urgent ON jobs (account_id, state, rank, unclear > 0, id) WHERE lane = 'tradera';
