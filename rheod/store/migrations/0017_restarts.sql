-- ads of an account that rheod did not make: one may be an ad of ours that was started again at Tradera
CREATE TABLE other_ads (
  account_id TEXT NOT NULL REFERENCES accounts (id),
  ad INTEGER NOT NULL,
  looked_at INTEGER,                       -- NULL: nobody has looked whose it is
  PRIMARY KEY (account_id, ad)
) STRICT, WITHOUT ROWID;
CREATE INDEX other_ads_unseen ON other_ads (account_id, ad) WHERE looked_at IS NULL;
-- things that were sold by two ads, until one of the sales falls through
CREATE TABLE sale_conflicts (
  item_id TEXT PRIMARY KEY REFERENCES items (id),
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sale_conflicts_by_time ON sale_conflicts (at);
CREATE INDEX items_unsold_with_error ON items (tradera_status, updated_at)
  WHERE tradera_status = 'ended' AND last_error IS NOT NULL;
