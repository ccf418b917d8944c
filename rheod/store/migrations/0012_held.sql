-- Where an ad was sent and what the owner should know of it; and what is held: a queued listing of which nothing is sent until
-- the owner has chosen a category or given what Tradera requires.
ALTER TABLE listings ADD COLUMN category_id INTEGER;            -- the leaf it was sent to, or Tradera has moved it to
ALTER TABLE listings ADD COLUMN warning TEXT;                   -- a guess, something left out; stops nothing
ALTER TABLE listings ADD COLUMN held TEXT;                      -- why nothing is sent
ALTER TABLE listings ADD COLUMN held_missing TEXT NOT NULL DEFAULT '[]';  -- names of attributes, as JSON
ALTER TABLE listings ADD COLUMN held_since INTEGER;
CREATE INDEX listings_held ON listings (account_id, id) WHERE held IS NOT NULL AND state = 'queued';
-- which content of each kind stands here, told without reading the content
CREATE INDEX reference_data_ages ON reference_data (kind, subject, read_at);

-- What the owner has decided on pages or by commands, by the name of the setting that would win over it; values as JSON.
CREATE TABLE choices (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL,
  changed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
