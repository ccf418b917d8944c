-- A sale in doubt: a message or a list names an order that cannot be read, or that Tradera does not know. Its row stays
-- 'new' until the order can be read or the owner settles it.
ALTER TABLE inbox ADD COLUMN tries INTEGER NOT NULL DEFAULT 0;  -- look-ups of this order in vain
ALTER TABLE inbox ADD COLUMN ask_at INTEGER;                    -- not looked up again before
ALTER TABLE inbox ADD COLUMN doubt_since INTEGER;               -- it may be a sale of ours
ALTER TABLE inbox ADD COLUMN answer TEXT;                       -- what Tradera said of the order; personal data
CREATE INDEX inbox_in_doubt ON inbox (account_id, id) WHERE state = 'new' AND doubt_since IS NOT NULL;
CREATE INDEX inbox_answers_to_erase ON inbox (received_at) WHERE answer IS NOT NULL;
CREATE INDEX inbox_items_of ON inbox_items (inbox_id);
