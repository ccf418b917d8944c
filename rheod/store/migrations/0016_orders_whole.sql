-- Everything that an order says. What an older rheod had kept of one is asked for once more, quietly (`whole` = 0).
ALTER TABLE orders ADD COLUMN whole INTEGER NOT NULL DEFAULT 1 CHECK (whole IN (0, 1));
ALTER TABLE orders ADD COLUMN purchase_id TEXT NOT NULL DEFAULT '';
ALTER TABLE orders ADD COLUMN expires_at INTEGER;        -- until then the buyer may add to it
ALTER TABLE orders ADD COLUMN freight_ore INTEGER;       -- NULL: not told, which is not 0
ALTER TABLE orders ADD COLUMN freight_type TEXT NOT NULL DEFAULT '';
ALTER TABLE orders ADD COLUMN weight_kg REAL;
ALTER TABLE orders ADD COLUMN payments TEXT;             -- JSON; NULL: nobody has told; its references are personal data
ALTER TABLE orders ADD COLUMN most_paid_ore INTEGER NOT NULL DEFAULT 0;
ALTER TABLE orders ADD COLUMN confirmed_at INTEGER;      -- the owner's word: paid outside Tradera
ALTER TABLE orders ADD COLUMN confirm_sent_at INTEGER;   -- Tradera was told so, or may have been
ALTER TABLE orders ADD COLUMN confirm_told_at INTEGER;   -- Tradera has it so
ALTER TABLE orders ADD COLUMN confirm_error TEXT;
ALTER TABLE orders ADD COLUMN sent_at INTEGER;           -- a parcel was told, it was handed over, or Tradera has it as shipped
ALTER TABLE orders ADD COLUMN printed_at INTEGER;        -- on a pick list
ALTER TABLE orders ADD COLUMN grew_at INTEGER;
ALTER TABLE orders ADD COLUMN reversed_at INTEGER;       -- its last line fell through
ALTER TABLE orders ADD COLUMN status TEXT NOT NULL DEFAULT 'unpaid'
  CHECK (status IN ('reversed', 'shipped', 'unpaid', 'waits', 'ready'));
ALTER TABLE orders ADD COLUMN flags TEXT NOT NULL DEFAULT '';
ALTER TABLE orders ADD COLUMN changed_at INTEGER NOT NULL DEFAULT 0; -- by our clock: what a client of the list goes on from

ALTER TABLE order_lines ADD COLUMN vat_rate INTEGER;     -- per cent; NULL: not told
ALTER TABLE order_lines ADD COLUMN own_reference TEXT NOT NULL DEFAULT '';
ALTER TABLE order_lines ADD COLUMN part_number TEXT NOT NULL DEFAULT '';
ALTER TABLE order_lines ADD COLUMN reversed_at INTEGER;
ALTER TABLE order_lines ADD COLUMN reversed_why TEXT;

-- an order that nobody has marked as shipped for 30 days was handed over in some other way: it does not come back as unsent
UPDATE orders SET whole = 0, changed_at = received_at, sent_at = coalesce(shipped_at,
  (SELECT min(created_at) FROM shipments WHERE shipments.order_id = orders.order_id),
  CASE WHEN received_at < CAST(strftime('%s', 'now') AS INTEGER) * 1000 - 2592000000 THEN received_at END);
UPDATE orders SET status = CASE WHEN sent_at IS NOT NULL THEN 'shipped' WHEN paid_at IS NULL THEN 'unpaid' ELSE 'ready' END,
  flags = CASE WHEN EXISTS (SELECT 1 FROM order_lines lines WHERE lines.order_id = orders.order_id AND lines.item_id IS NULL)
    THEN 'unknown_item' ELSE '' END;

CREATE INDEX orders_by_change ON orders (account_id, changed_at, order_id);
CREATE INDEX orders_by_status ON orders (account_id, status, changed_at, order_id);
CREATE INDEX orders_not_whole ON orders (account_id, received_at) WHERE whole = 0;
CREATE INDEX orders_growing ON orders (expires_at) WHERE expires_at IS NOT NULL AND status IN ('waits', 'ready');
CREATE INDEX orders_flagged ON orders (account_id) WHERE flags <> '' AND status <> 'shipped';
CREATE INDEX orders_confirming ON orders (account_id) WHERE confirmed_at IS NOT NULL AND confirm_told_at IS NULL;

-- An event about an order is about several items, or about none that is known here. `line` is where it stands in line: the
-- events of things that were sold together go out one after the other, to each receiver.
CREATE TABLE notices_of_all (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  event_id TEXT NOT NULL UNIQUE,
  account_id TEXT NOT NULL REFERENCES accounts (id),
  item_id TEXT REFERENCES items (id),      -- NULL: of an order whose items are not known here
  order_id INTEGER,                        -- of an event about an order
  type TEXT NOT NULL,
  data TEXT NOT NULL,
  body BLOB,                               -- the webhook's bytes, built once; NULL for history alone
  members_body BLOB,                       -- the same with memberExternalId, for the reseller of a member account
  once TEXT,                               -- what may be told only once
  names_buyer INTEGER NOT NULL DEFAULT 0 CHECK (names_buyer IN (0, 1)),
  erased_at INTEGER,                       -- the buyer that it named is erased: it is not told again
  created_at INTEGER NOT NULL
) STRICT;
INSERT INTO notices_of_all (seq, event_id, account_id, item_id, type, data, body, members_body, once, created_at)
  SELECT seq, event_id, account_id, item_id, type, data, body, members_body, once, created_at FROM notices ORDER BY seq;
DELETE FROM sqlite_sequence WHERE name = 'notices_of_all';
INSERT INTO sqlite_sequence (name, seq) SELECT 'notices_of_all', seq FROM sqlite_sequence WHERE name = 'notices';
DROP TABLE notices;
ALTER TABLE notices_of_all RENAME TO notices;
CREATE UNIQUE INDEX notices_once ON notices (once) WHERE once IS NOT NULL;
CREATE INDEX notices_by_item ON notices (item_id, seq);
CREATE INDEX notices_by_time ON notices (created_at);
CREATE INDEX notices_feed ON notices (account_id, seq) WHERE body IS NOT NULL;
CREATE INDEX notices_feed_by_type ON notices (account_id, type, seq) WHERE body IS NOT NULL;
CREATE INDEX notices_of_buyers ON notices (order_id) WHERE names_buyer = 1 AND erased_at IS NULL;

ALTER TABLE items ADD COLUMN line TEXT;                  -- NULL: its own
CREATE INDEX items_in_line ON items (line) WHERE line IS NOT NULL;
ALTER TABLE jobs ADD COLUMN line TEXT;                   -- of a delivery: what it is in line with
UPDATE jobs SET line = item_id WHERE lane = 'hooks';
DROP INDEX jobs_hooks_order;
CREATE INDEX jobs_hooks_order ON jobs (endpoint_id, line, behind, notice_seq) WHERE lane = 'hooks';
DROP TRIGGER jobs_get_behind;
DROP TRIGGER jobs_close_ranks;
DROP TRIGGER jobs_step_aside;
DROP TRIGGER jobs_step_back;
CREATE TRIGGER jobs_get_behind AFTER INSERT ON jobs WHEN NEW.lane = 'hooks'
BEGIN
  UPDATE jobs SET behind = 1 WHERE id = NEW.id AND EXISTS (SELECT 1 FROM jobs WHERE lane = 'hooks'
    AND endpoint_id = NEW.endpoint_id AND line = NEW.line AND behind = 0 AND notice_seq < NEW.notice_seq
    AND state = 'due' AND aside = 0);
  UPDATE jobs SET behind = 1 WHERE lane = 'hooks' AND endpoint_id = NEW.endpoint_id AND line = NEW.line
    AND behind = 0 AND notice_seq > NEW.notice_seq AND EXISTS (SELECT 1 FROM jobs WHERE id = NEW.id AND behind = 0);
END;
CREATE TRIGGER jobs_close_ranks AFTER DELETE ON jobs
WHEN OLD.lane = 'hooks' AND OLD.behind = 0 AND OLD.state = 'due' AND OLD.aside = 0
BEGIN
  UPDATE jobs SET behind = 0 WHERE lane = 'hooks' AND endpoint_id = OLD.endpoint_id AND line = OLD.line
    AND behind = 1 AND notice_seq <= coalesce((SELECT notice_seq FROM jobs WHERE lane = 'hooks'
    AND endpoint_id = OLD.endpoint_id AND line = OLD.line AND behind = 1 AND state = 'due' AND aside = 0
    ORDER BY notice_seq LIMIT 1), 9e18);
END;
CREATE TRIGGER jobs_step_aside AFTER UPDATE OF state, aside ON jobs
WHEN NEW.lane = 'hooks' AND NEW.behind = 0 AND OLD.state = 'due' AND OLD.aside = 0
  AND (NEW.state <> 'due' OR NEW.aside > 0)
BEGIN
  UPDATE jobs SET behind = 0 WHERE lane = 'hooks' AND endpoint_id = OLD.endpoint_id AND line = OLD.line
    AND behind = 1 AND notice_seq <= coalesce((SELECT notice_seq FROM jobs WHERE lane = 'hooks'
    AND endpoint_id = OLD.endpoint_id AND line = OLD.line AND behind = 1 AND state = 'due' AND aside = 0
    ORDER BY notice_seq LIMIT 1), 9e18);
END;
CREATE TRIGGER jobs_step_back AFTER UPDATE OF state, aside ON jobs
WHEN NEW.lane = 'hooks' AND NEW.behind = 0 AND NEW.state = 'due' AND NEW.aside = 0
  AND (OLD.state <> 'due' OR OLD.aside > 0)
BEGIN
  UPDATE jobs SET behind = 1 WHERE lane = 'hooks' AND endpoint_id = NEW.endpoint_id AND line = NEW.line
    AND behind = 0 AND notice_seq > NEW.notice_seq;
END;

-- what a key opens: those of before open what they did
ALTER TABLE api_keys ADD COLUMN scopes TEXT NOT NULL DEFAULT 'items';
