-- What Tradera's refusals (429) have told of a method's limit: it rests until `until`, and `ceiling` is the most that a
-- window may have of it, where that was learned. Until now a whole class of calls rested.
CREATE TABLE method_states (
  method TEXT PRIMARY KEY,
  refusals INTEGER NOT NULL,               -- in a row; 0: none stands
  used INTEGER NOT NULL,                   -- calls of the window when the first of them came
  since INTEGER NOT NULL,                  -- when that was (ms)
  refused_at INTEGER NOT NULL,             -- when the last came
  until INTEGER NOT NULL,                  -- not called before
  ceiling INTEGER CHECK (ceiling > 0)
) STRICT, WITHOUT ROWID;
DELETE FROM pauses WHERE class <> '';
