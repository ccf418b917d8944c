-- items that the owner has begun to fill in on the pages; `made` is the item that one became, so that it becomes no other
CREATE TABLE drafts (
  id TEXT PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id),
  fields TEXT NOT NULL,
  made TEXT,
  kept_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX drafts_by_time ON drafts (account_id, kept_at);
