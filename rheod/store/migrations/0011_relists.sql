-- An ad that ended unsold may come back cheaper: where a listing stands on its price ladder, and what is planned.
ALTER TABLE listings ADD COLUMN ladder TEXT;   -- as JSON; NULL: the item's own price
CREATE TABLE relists (
  item_id TEXT PRIMARY KEY REFERENCES items (id),
  listing_id TEXT NOT NULL UNIQUE REFERENCES listings (id),  -- the one that ended
  account_id TEXT NOT NULL REFERENCES accounts (id),
  at INTEGER NOT NULL,
  ladder TEXT NOT NULL,
  held INTEGER NOT NULL DEFAULT 0 CHECK (held IN (0, 1))
) STRICT, WITHOUT ROWID;
CREATE INDEX relists_next ON relists (account_id, at);
