-- What Tradera says of its categories, of a leaf's attributes and of its ways to send, as last read and believed: shared by
-- all accounts. What came instead and could not be believed stands beside it, so that the owner can be told.
CREATE TABLE reference_data (
  kind TEXT NOT NULL CHECK (kind IN ('categories', 'definitions', 'shipping')),
  subject INTEGER NOT NULL DEFAULT 0,      -- the leaf of definitions
  body TEXT,                               -- as JSON of our own; NULL: never read
  read_at INTEGER,                         -- when what stands in body was read
  fault TEXT,                              -- why the last answer is not believed; NULL: it was
  fault_since INTEGER,
  used_at INTEGER,                         -- when an ad of this leaf was last asked for
  PRIMARY KEY (kind, subject),
  CHECK ((body IS NULL) = (read_at IS NULL)),
  CHECK ((fault IS NULL) = (fault_since IS NULL))
) STRICT, WITHOUT ROWID;
