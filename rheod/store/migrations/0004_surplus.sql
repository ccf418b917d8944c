-- An ad that had been given up may turn up beside a newer one: both rows are open then, and the newer is to be ended.
ALTER TABLE listings ADD COLUMN surplus INTEGER NOT NULL DEFAULT 0 CHECK (surplus IN (0, 1));
DROP INDEX listings_open;
CREATE UNIQUE INDEX listings_open ON listings (item_id)
  WHERE state IN ('queued', 'adding', 'added', 'committing', 'committed', 'live') AND surplus = 0;
CREATE INDEX listings_surplus ON listings (item_id) WHERE surplus = 1;
-- ads that a commit was sent for and that were taken for refused: told apart in each pass over the changed ones
CREATE INDEX listings_given_up ON listings (account_id, commit_sent_at)
  WHERE state = 'rejected' AND commit_sent_at IS NOT NULL;

-- those in doubt now are looked for from now on; 4 is the rank of questions about results
INSERT INTO jobs (lane, kind, subject, account_id, item_id, due_at, rank, created_at)
  SELECT 'tradera', 'look', id, account_id, item_id, coalesce(waits_since, created_at), 4, created_at FROM listings
  WHERE state IN ('committing', 'committed') AND ask_at IS NULL
  ON CONFLICT (kind, subject) DO NOTHING;
