-- what was last seen of the bids on an ad
CREATE TABLE bids (
  listing_id TEXT PRIMARY KEY REFERENCES listings (id),
  count INTEGER NOT NULL CHECK (count >= 0),
  highest_kr INTEGER,
  seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
