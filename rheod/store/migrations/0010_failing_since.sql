-- Since when (ms) an endpoint has taken no event, while `fail_count` is above 0; null when that began before this column was.
ALTER TABLE endpoints ADD COLUMN failing_since INTEGER;
