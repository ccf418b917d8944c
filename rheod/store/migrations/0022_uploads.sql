-- pictures that the owner has sent and no item has taken yet: their files are kept for a day
CREATE TABLE uploads (
  file TEXT PRIMARY KEY,
  size_bytes INTEGER NOT NULL,
  note TEXT,
  sent_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX uploads_by_time ON uploads (sent_at);
CREATE TRIGGER uploads_use_in AFTER INSERT ON uploads
BEGIN
  INSERT INTO picture_files VALUES (NEW.file, NEW.size_bytes, 1)
    ON CONFLICT (file) DO UPDATE SET uses = uses + 1;
END;
CREATE TRIGGER uploads_use_out AFTER DELETE ON uploads
BEGIN
  UPDATE picture_files SET uses = uses - 1 WHERE file = OLD.file;
END;
