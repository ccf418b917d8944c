-- The first schema. Times are milliseconds UTC, money is öre, JSON is text.
CREATE TABLE accounts (
  id TEXT PRIMARY KEY,
  reference TEXT NOT NULL UNIQUE,          -- '' is the default account
  created_at INTEGER NOT NULL
) STRICT;

-- whose sales Tradera tells of: kept when an account leaves the settings, so that none is taken for a stranger's
CREATE TABLE members (
  member_id INTEGER PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id)
) STRICT;
CREATE INDEX members_by_account ON members (account_id);

CREATE TABLE items (
  number INTEGER PRIMARY KEY,              -- a rowid of our own: no VACUUM or copy gives it another item
  id TEXT NOT NULL UNIQUE,
  account_id TEXT NOT NULL REFERENCES accounts (id),
  external_id TEXT NOT NULL,
  type TEXT NOT NULL CHECK (type IN ('item', 'container')),
  title TEXT NOT NULL,
  price_ore INTEGER CHECK (price_ore > 0),
  domain TEXT NOT NULL DEFAULT 'other',    -- as in spec, for the counts: a trigger may not read JSON, nor may an index
  category_id INTEGER,                     -- likewise: the Tradera category that the item names itself
  parent_external_id TEXT,
  rheo_status TEXT NOT NULL CHECK (rheo_status IN ('draft', 'active', 'sold', 'not_listed', 'archived')),
  tradera_status TEXT CHECK (tradera_status IN ('pending_sync', 'active', 'sold', 'ended', 'sync_error')),
  version INTEGER NOT NULL CHECK (version > 0),
  spec TEXT NOT NULL,                      -- what the last PUT said, less the columns above
  last_error TEXT,
  delete_requested INTEGER NOT NULL DEFAULT 0 CHECK (delete_requested IN (0, 1)),
  removed_at INTEGER,                      -- kept after removal: a sale may still arrive for it
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;
-- one standing item for an external id; a removed or archived one does not stand in the way of a new one
CREATE UNIQUE INDEX items_standing ON items (account_id, external_id)
  WHERE removed_at IS NULL AND rheo_status <> 'archived';
CREATE INDEX items_by_external_id ON items (account_id, external_id, created_at);
-- removed_at closes these three so that counting reads the index alone
CREATE INDEX items_by_update ON items (account_id, updated_at, id, removed_at) WHERE removed_at IS NULL;
CREATE INDEX items_by_status ON items (account_id, rheo_status, updated_at, id, removed_at) WHERE removed_at IS NULL;
-- what the owner filters by: one run of it for each pair of states
CREATE INDEX items_by_tradera ON items (account_id, tradera_status, rheo_status, updated_at, id) WHERE removed_at IS NULL;
CREATE INDEX items_without_category ON items (account_id, domain) WHERE rheo_status = 'active' AND removed_at IS NULL
  AND tradera_status IN ('pending_sync', 'sync_error') AND category_id IS NULL;
-- what is over, the longest first: whose pictures may go when the folder of pictures is full
CREATE INDEX items_over ON items (updated_at, id) WHERE removed_at IS NOT NULL OR rheo_status IN ('sold', 'archived');
CREATE INDEX items_by_parent
  ON items (account_id, parent_external_id, updated_at, id, rheo_status, type, price_ore, removed_at)
  WHERE parent_external_id IS NOT NULL AND removed_at IS NULL;

-- how many items of each status and kind an account has, kept by the triggers: counting 200,000 rows takes too long
CREATE TABLE item_counts (
  account_id TEXT NOT NULL,
  rheo_status TEXT NOT NULL,
  type TEXT NOT NULL,
  domain TEXT NOT NULL,
  count INTEGER NOT NULL CHECK (count >= 0),
  PRIMARY KEY (account_id, rheo_status, type, domain)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER items_counted_in AFTER INSERT ON items WHEN NEW.removed_at IS NULL
BEGIN
  INSERT INTO item_counts
    VALUES (NEW.account_id, NEW.rheo_status, NEW.type, NEW.domain, 1)
    ON CONFLICT (account_id, rheo_status, type, domain) DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER items_counted_again AFTER UPDATE OF rheo_status, removed_at, type, domain ON items
WHEN NEW.rheo_status <> OLD.rheo_status OR NEW.removed_at IS NOT OLD.removed_at OR NEW.type <> OLD.type
  OR NEW.domain <> OLD.domain
BEGIN
  UPDATE item_counts SET count = count - 1
    WHERE OLD.removed_at IS NULL AND account_id = OLD.account_id AND rheo_status = OLD.rheo_status
    AND type = OLD.type AND domain = OLD.domain;
  INSERT INTO item_counts
    SELECT NEW.account_id, NEW.rheo_status, NEW.type, NEW.domain, 1
    WHERE NEW.removed_at IS NULL
    ON CONFLICT (account_id, rheo_status, type, domain) DO UPDATE SET count = count + 1;
END;

-- the titles of the items that are there, under their numbers, for the owner's search by words
CREATE VIRTUAL TABLE item_words USING fts5(title, tokenize = 'unicode61 remove_diacritics 2');

-- `domain.part.catalogCodes` of the items that are there, to be found by
CREATE TABLE item_codes (
  account_id TEXT NOT NULL,
  system TEXT NOT NULL,
  code TEXT NOT NULL,
  item_id TEXT NOT NULL REFERENCES items (id),
  PRIMARY KEY (account_id, system, code, item_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX item_codes_by_item ON item_codes (item_id);

CREATE TABLE pictures (
  id TEXT PRIMARY KEY,
  item_id TEXT NOT NULL REFERENCES items (id),
  position INTEGER NOT NULL CHECK (position >= 0),
  url TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('pending', 'ready', 'failed')),
  file TEXT,
  size_bytes INTEGER,
  error TEXT,
  UNIQUE (item_id, position),
  CHECK (state <> 'ready' OR file IS NOT NULL)
) STRICT;

-- which files the pictures are: one content is one file, however many pictures show it
CREATE TABLE picture_files (
  file TEXT PRIMARY KEY,
  size_bytes INTEGER NOT NULL,
  uses INTEGER NOT NULL CHECK (uses >= 0)
) STRICT, WITHOUT ROWID;
CREATE INDEX picture_files_unused ON picture_files (file) WHERE uses = 0;
CREATE TABLE picture_sums (                -- one row: what the files in use come to
  bytes INTEGER NOT NULL
) STRICT;
INSERT INTO picture_sums VALUES (0);
CREATE TRIGGER pictures_use_in AFTER INSERT ON pictures WHEN NEW.file IS NOT NULL
BEGIN
  INSERT INTO picture_files VALUES (NEW.file, coalesce(NEW.size_bytes, 0), 1)
    ON CONFLICT (file) DO UPDATE SET uses = uses + 1;
END;
CREATE TRIGGER pictures_use_anew AFTER UPDATE OF file ON pictures WHEN NEW.file IS NOT OLD.file
BEGIN
  UPDATE picture_files SET uses = uses - 1 WHERE file = OLD.file;
  INSERT INTO picture_files SELECT NEW.file, coalesce(NEW.size_bytes, 0), 1 WHERE NEW.file IS NOT NULL
    ON CONFLICT (file) DO UPDATE SET uses = uses + 1;
END;
CREATE TRIGGER pictures_use_out AFTER DELETE ON pictures WHEN OLD.file IS NOT NULL
BEGIN
  UPDATE picture_files SET uses = uses - 1 WHERE file = OLD.file;
END;
CREATE TRIGGER picture_files_summed_in AFTER INSERT ON picture_files
BEGIN
  UPDATE picture_sums SET bytes = bytes + NEW.size_bytes;
END;
CREATE TRIGGER picture_files_summed_anew AFTER UPDATE OF uses ON picture_files WHEN (NEW.uses = 0) <> (OLD.uses = 0)
BEGIN
  UPDATE picture_sums SET bytes = bytes + iif(NEW.uses = 0, -NEW.size_bytes, NEW.size_bytes);
END;

CREATE TABLE listings (
  id TEXT PRIMARY KEY,
  item_id TEXT NOT NULL REFERENCES items (id),
  account_id TEXT NOT NULL REFERENCES accounts (id),
  generation INTEGER NOT NULL CHECK (generation > 0),
  state TEXT NOT NULL CHECK (state IN ('queued', 'adding', 'added', 'committing', 'committed', 'live',
                                       'sold', 'ended', 'rejected', 'withdrawn')),
  item_version INTEGER NOT NULL,
  price_kr INTEGER,
  days INTEGER,
  request_id INTEGER UNIQUE,
  tradera_item_id INTEGER UNIQUE,
  added_at INTEGER,
  pictures_sent INTEGER NOT NULL DEFAULT 0,
  picture_in_doubt INTEGER NOT NULL DEFAULT 0 CHECK (picture_in_doubt IN (0, 1)),
  asked INTEGER NOT NULL DEFAULT 0,
  ask_at INTEGER,
  commit_sent_at INTEGER,
  waits_since INTEGER,                     -- commit_sent_at by a clock that has jumped since: the age of a doubt
  live_at INTEGER,
  ends_at INTEGER,
  closed_at INTEGER,
  end_wish TEXT CHECK (end_wish IN ('unlisted', 'marked_sold', 'deleted')),
  error TEXT,
  created_at INTEGER NOT NULL,
  UNIQUE (item_id, generation),
  -- the ad that a takeover has found is live without anybody here knowing its request
  CHECK (state NOT IN ('added', 'committing', 'committed') OR request_id IS NOT NULL),
  CHECK (state <> 'live' OR request_id IS NOT NULL OR tradera_item_id IS NOT NULL),
  CHECK (state NOT IN ('committing', 'committed', 'live') OR commit_sent_at IS NOT NULL)
) STRICT;
-- never two ads of one item: at most one listing may be, or become, visible
CREATE UNIQUE INDEX listings_open ON listings (item_id)
  WHERE state IN ('queued', 'adding', 'added', 'committing', 'committed', 'live');
CREATE INDEX listings_waiting ON listings (account_id, ask_at) WHERE state IN ('committing', 'committed');
CREATE INDEX listings_live ON listings (account_id, state) WHERE state IN ('committing', 'committed', 'live');
CREATE INDEX listings_ending ON listings (account_id, ends_at) WHERE state = 'live';
CREATE INDEX listings_committed ON listings (account_id, commit_sent_at) WHERE commit_sent_at IS NOT NULL;
-- once a commit may have been sent, its request id is the only one this listing may ever have
CREATE TRIGGER listings_one_commit BEFORE UPDATE OF request_id, tradera_item_id, commit_sent_at ON listings
WHEN OLD.commit_sent_at IS NOT NULL AND (NEW.request_id IS NOT OLD.request_id
  OR NEW.tradera_item_id IS NOT OLD.tradera_item_id OR NEW.commit_sent_at IS NOT OLD.commit_sent_at)
BEGIN
  SELECT RAISE(ABORT, 'a committed listing keeps its request');
END;

CREATE TABLE jobs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  lane TEXT NOT NULL CHECK (lane IN ('images', 'tradera', 'hooks', 'sales')),
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  account_id TEXT NOT NULL REFERENCES accounts (id),
  item_id TEXT REFERENCES items (id),
  endpoint_id TEXT REFERENCES endpoints (id),
  state TEXT NOT NULL DEFAULT 'due' CHECK (state IN ('due', 'held')),
  due_at INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  cost INTEGER NOT NULL DEFAULT 0,         -- Tradera calls the job will take, for the forecast of the queue
  rank INTEGER NOT NULL DEFAULT 0,         -- urgency, 0 first: by class of call in the tradera lane; a replay is 1
  revision INTEGER NOT NULL DEFAULT 0,     -- goes up when the job is ordered again while it runs
  reason TEXT,                             -- why it waits
  aside INTEGER NOT NULL DEFAULT 0,        -- how often a delivery has failed alone; above 0 it holds nobody up
  notice_seq INTEGER REFERENCES notices (seq), -- what a delivery delivers: its place among those of its item
  behind INTEGER NOT NULL DEFAULT 0,       -- 1: an older event of its item goes to its endpoint first (triggers)
  created_at INTEGER NOT NULL,
  UNIQUE (kind, subject),
  CHECK ((lane = 'hooks') = (endpoint_id IS NOT NULL)),
  CHECK ((lane = 'hooks') = (notice_seq IS NOT NULL))
) STRICT;
CREATE INDEX jobs_due ON jobs (lane, state, due_at);
CREATE INDEX jobs_urgent ON jobs (account_id, state, rank, id) WHERE lane = 'tradera';
CREATE INDEX jobs_publish ON jobs (account_id, id, cost) WHERE kind = 'publish';
CREATE INDEX jobs_hooks ON jobs (endpoint_id, state, rank, id) WHERE lane = 'hooks';
CREATE INDEX jobs_hooks_order ON jobs (endpoint_id, item_id, behind, notice_seq) WHERE lane = 'hooks';
-- the deliveries that may go, by turn and for the probe of a failing endpoint: each pick reads only what it takes
CREATE INDEX jobs_heads ON jobs (endpoint_id, rank, due_at, id) WHERE lane = 'hooks' AND state = 'due' AND behind = 0;
CREATE INDEX jobs_probes ON jobs (endpoint_id, attempts, id) WHERE lane = 'hooks' AND state = 'due' AND behind = 0;
CREATE INDEX jobs_tried ON jobs (endpoint_id) WHERE lane = 'hooks' AND (attempts > 0 OR aside > 0);
CREATE INDEX jobs_item ON jobs (item_id);

-- of one item an endpoint gets one event at a time, the oldest first, past those held and those that stepped aside: the
-- first that is due and not aside has all later ones behind it. Kept here, since a queue may hold 100,000 of an item
CREATE TRIGGER jobs_get_behind AFTER INSERT ON jobs WHEN NEW.lane = 'hooks'
BEGIN
  UPDATE jobs SET behind = 1 WHERE id = NEW.id AND EXISTS (SELECT 1 FROM jobs WHERE lane = 'hooks'
    AND endpoint_id = NEW.endpoint_id AND item_id = NEW.item_id AND behind = 0 AND notice_seq < NEW.notice_seq
    AND state = 'due' AND aside = 0);
  UPDATE jobs SET behind = 1 WHERE lane = 'hooks' AND endpoint_id = NEW.endpoint_id AND item_id = NEW.item_id
    AND behind = 0 AND notice_seq > NEW.notice_seq AND EXISTS (SELECT 1 FROM jobs WHERE id = NEW.id AND behind = 0);
END;
CREATE TRIGGER jobs_close_ranks AFTER DELETE ON jobs
WHEN OLD.lane = 'hooks' AND OLD.behind = 0 AND OLD.state = 'due' AND OLD.aside = 0
BEGIN
  UPDATE jobs SET behind = 0 WHERE lane = 'hooks' AND endpoint_id = OLD.endpoint_id AND item_id = OLD.item_id
    AND behind = 1 AND notice_seq <= coalesce((SELECT notice_seq FROM jobs WHERE lane = 'hooks'
    AND endpoint_id = OLD.endpoint_id AND item_id = OLD.item_id AND behind = 1 AND state = 'due' AND aside = 0
    ORDER BY notice_seq LIMIT 1), 9e18);
END;
CREATE TRIGGER jobs_step_aside AFTER UPDATE OF state, aside ON jobs
WHEN NEW.lane = 'hooks' AND NEW.behind = 0 AND OLD.state = 'due' AND OLD.aside = 0
  AND (NEW.state <> 'due' OR NEW.aside > 0)
BEGIN
  UPDATE jobs SET behind = 0 WHERE lane = 'hooks' AND endpoint_id = OLD.endpoint_id AND item_id = OLD.item_id
    AND behind = 1 AND notice_seq <= coalesce((SELECT notice_seq FROM jobs WHERE lane = 'hooks'
    AND endpoint_id = OLD.endpoint_id AND item_id = OLD.item_id AND behind = 1 AND state = 'due' AND aside = 0
    ORDER BY notice_seq LIMIT 1), 9e18);
END;
CREATE TRIGGER jobs_step_back AFTER UPDATE OF state, aside ON jobs
WHEN NEW.lane = 'hooks' AND NEW.behind = 0 AND NEW.state = 'due' AND NEW.aside = 0
  AND (OLD.state <> 'due' OR OLD.aside > 0)
BEGIN
  UPDATE jobs SET behind = 1 WHERE lane = 'hooks' AND endpoint_id = NEW.endpoint_id AND item_id = NEW.item_id
    AND behind = 0 AND notice_seq > NEW.notice_seq;
END;

-- how many jobs there are, kept by the triggers: a queue of a million waits for calls for years, and is asked for often
CREATE TABLE job_counts (
  lane TEXT NOT NULL,
  kind TEXT NOT NULL,
  endpoint_id TEXT NOT NULL,               -- '' but for deliveries
  account_id TEXT NOT NULL,
  count INTEGER NOT NULL CHECK (count >= 0),
  PRIMARY KEY (lane, kind, endpoint_id, account_id)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER jobs_counted_in AFTER INSERT ON jobs
BEGIN
  INSERT INTO job_counts VALUES (NEW.lane, NEW.kind, coalesce(NEW.endpoint_id, ''), NEW.account_id, 1)
    ON CONFLICT (lane, kind, endpoint_id, account_id) DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER jobs_counted_out AFTER DELETE ON jobs
BEGIN
  UPDATE job_counts SET count = count - 1 WHERE lane = OLD.lane AND kind = OLD.kind
    AND endpoint_id = coalesce(OLD.endpoint_id, '') AND account_id = OLD.account_id;
END;

-- what the publishings of each stretch of 4096 job numbers come to: a place in a long queue is the sum of a few of these
CREATE TABLE publish_sums (
  account_id TEXT NOT NULL,
  stretch INTEGER NOT NULL,                -- job id / 4096
  count INTEGER NOT NULL CHECK (count >= 0),
  cost INTEGER NOT NULL,
  PRIMARY KEY (account_id, stretch)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER jobs_summed_in AFTER INSERT ON jobs WHEN NEW.kind = 'publish'
BEGIN
  INSERT INTO publish_sums VALUES (NEW.account_id, NEW.id / 4096, 1, NEW.cost)
    ON CONFLICT (account_id, stretch) DO UPDATE SET count = count + 1, cost = cost + excluded.cost;
END;
CREATE TRIGGER jobs_summed_anew AFTER UPDATE OF cost ON jobs WHEN NEW.kind = 'publish' AND NEW.cost <> OLD.cost
BEGIN
  UPDATE publish_sums SET cost = cost + NEW.cost - OLD.cost
    WHERE account_id = NEW.account_id AND stretch = NEW.id / 4096;
END;
CREATE TRIGGER jobs_summed_out AFTER DELETE ON jobs WHEN OLD.kind = 'publish'
BEGIN
  UPDATE publish_sums SET count = count - 1, cost = cost - OLD.cost
    WHERE account_id = OLD.account_id AND stretch = OLD.id / 4096;
  DELETE FROM publish_sums WHERE account_id = OLD.account_id AND stretch = OLD.id / 4096 AND count = 0;
END;

CREATE TABLE notices (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  event_id TEXT NOT NULL UNIQUE,
  account_id TEXT NOT NULL REFERENCES accounts (id),
  item_id TEXT NOT NULL REFERENCES items (id),
  type TEXT NOT NULL,
  data TEXT NOT NULL,
  body BLOB,                               -- the webhook's bytes, built once; NULL for history alone
  members_body BLOB,                       -- the same with memberExternalId, for the reseller of a member account
  once TEXT,                               -- what may be told only once
  created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX notices_once ON notices (once) WHERE once IS NOT NULL;
CREATE INDEX notices_by_item ON notices (item_id, seq);
CREATE INDEX notices_by_time ON notices (created_at);
CREATE INDEX notices_feed ON notices (account_id, seq) WHERE body IS NOT NULL;
CREATE INDEX notices_feed_by_type ON notices (account_id, type, seq) WHERE body IS NOT NULL;

CREATE TABLE endpoints (
  id TEXT PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id),
  url TEXT,
  event_types TEXT NOT NULL DEFAULT '',    -- by comma; '' is every one
  scope TEXT NOT NULL DEFAULT 'self' CHECK (scope IN ('self', 'members')),
  description TEXT NOT NULL DEFAULT '',
  secret TEXT NOT NULL,
  previous_secret TEXT,
  previous_until INTEGER,
  active INTEGER NOT NULL DEFAULT 1 CHECK (active IN (0, 1)),
  fail_count INTEGER NOT NULL DEFAULT 0,
  probe_at INTEGER,                        -- while it fails: when the next single event may try
  removed_at INTEGER,                      -- kept after removal: its deliveries stay readable
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX endpoints_by_account ON endpoints (account_id, created_at) WHERE removed_at IS NULL;

CREATE TABLE deliveries (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  endpoint_id TEXT NOT NULL REFERENCES endpoints (id),
  account_id TEXT NOT NULL REFERENCES accounts (id), -- the endpoint's
  notice_seq INTEGER NOT NULL REFERENCES notices (seq),
  event_type TEXT NOT NULL,
  url TEXT NOT NULL,                       -- where this attempt went: the endpoint may have moved since
  attempt INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('success', 'failed')),
  http_status INTEGER,
  error TEXT,
  snippet TEXT,
  duration_ms INTEGER NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX deliveries_by_notice ON deliveries (notice_seq);
CREATE INDEX deliveries_by_time ON deliveries (created_at);
-- the log is read newest first by any filter: a page is the newest of a few short runs of one of these
CREATE INDEX deliveries_by_account ON deliveries (account_id, event_type, status, id);
CREATE INDEX deliveries_by_endpoint ON deliveries (endpoint_id, event_type, status, id);

CREATE TABLE inbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  message_id TEXT NOT NULL UNIQUE,
  business_key TEXT UNIQUE,                -- 'OrderCreated:<order>' or 'ItemClosed:<item>'
  account_id TEXT REFERENCES accounts (id),
  type TEXT,
  order_id INTEGER,
  body TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('new', 'done', 'quarantined', 'ignored')),
  reason TEXT,
  received_at INTEGER NOT NULL,
  settled_at INTEGER
) STRICT;
CREATE INDEX inbox_new ON inbox (account_id, type, id) WHERE state = 'new';
CREATE INDEX inbox_state ON inbox (state, id);
CREATE INDEX inbox_to_erase ON inbox (received_at) WHERE body <> '' AND state <> 'new';

CREATE TABLE inbox_items (
  -- the columns stand in the order of the key: SQLite 3.40's quick_check finds phantom NULLs otherwise
  tradera_item_id INTEGER NOT NULL,
  inbox_id INTEGER NOT NULL REFERENCES inbox (id),
  PRIMARY KEY (tradera_item_id, inbox_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE orders (
  order_id INTEGER PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id),
  subtotal_ore INTEGER NOT NULL,
  known_ore INTEGER,                       -- what the lines of known items come to; NULL: there are none
  month TEXT NOT NULL,                     -- of created_at in Sweden, such as '2026-04'
  buyer TEXT NOT NULL,                     -- personal data; erased after retention.orders_days
  erased_at INTEGER,
  paid_at INTEGER,
  ship_sent_at INTEGER,                    -- a call to mark it as shipped was made: it may have taken effect
  shipped_at INTEGER,
  ship_error TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  received_at INTEGER NOT NULL
) STRICT;
CREATE INDEX orders_by_time ON orders (account_id, created_at, order_id);
CREATE INDEX orders_to_ship ON orders (account_id, received_at) WHERE shipped_at IS NULL AND known_ore IS NOT NULL;
CREATE INDEX orders_to_erase ON orders (received_at) WHERE erased_at IS NULL;

-- parcels as the partner tells them; the latest of an order counts, the same one again is the same row
CREATE TABLE shipments (
  id TEXT PRIMARY KEY,
  order_id INTEGER NOT NULL REFERENCES orders (order_id),
  carrier TEXT NOT NULL,
  tracking_number TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  UNIQUE (order_id, carrier, tracking_number)
) STRICT;

CREATE TABLE order_lines (
  order_id INTEGER NOT NULL REFERENCES orders (order_id),
  tradera_item_id INTEGER NOT NULL,
  item_id TEXT REFERENCES items (id),      -- NULL: a sale of something rheod does not know
  account_id TEXT NOT NULL REFERENCES accounts (id),
  month TEXT NOT NULL,
  domain TEXT,                             -- the known item's when it was sold
  quantity INTEGER NOT NULL,
  unit_price_ore INTEGER NOT NULL,
  title TEXT NOT NULL,
  PRIMARY KEY (order_id, tradera_item_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX order_lines_by_item ON order_lines (item_id) WHERE item_id IS NOT NULL;
CREATE INDEX order_lines_by_ad ON order_lines (tradera_item_id);
CREATE INDEX order_lines_unmatched ON order_lines (account_id, order_id) WHERE item_id IS NULL;

-- what the owner's figures are read from, kept by the triggers below: all orders of known items by Swedish month
CREATE TABLE month_sums (
  account_id TEXT NOT NULL,
  month TEXT NOT NULL,
  orders INTEGER NOT NULL CHECK (orders >= 0),
  ore INTEGER NOT NULL,
  pending_ore INTEGER NOT NULL,            -- of those not paid yet
  PRIMARY KEY (account_id, month)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER orders_summed_in AFTER INSERT ON orders WHEN NEW.known_ore IS NOT NULL
BEGIN
  INSERT INTO month_sums
    VALUES (NEW.account_id, NEW.month, 1, NEW.known_ore, iif(NEW.paid_at IS NULL, NEW.known_ore, 0))
    ON CONFLICT (account_id, month) DO UPDATE SET orders = orders + 1, ore = ore + excluded.ore,
      pending_ore = pending_ore + excluded.pending_ore;
END;
CREATE TRIGGER orders_summed_anew AFTER UPDATE OF known_ore, paid_at ON orders
BEGIN
  UPDATE month_sums SET orders = orders - 1, ore = ore - OLD.known_ore,
      pending_ore = pending_ore - iif(OLD.paid_at IS NULL, OLD.known_ore, 0)
    WHERE OLD.known_ore IS NOT NULL AND account_id = OLD.account_id AND month = OLD.month;
  INSERT INTO month_sums
    SELECT NEW.account_id, NEW.month, 1, NEW.known_ore, iif(NEW.paid_at IS NULL, NEW.known_ore, 0)
    WHERE NEW.known_ore IS NOT NULL
    ON CONFLICT (account_id, month) DO UPDATE SET orders = orders + 1, ore = ore + excluded.ore,
      pending_ore = pending_ore + excluded.pending_ore;
END;

-- the same by month and domain, line by line
CREATE TABLE domain_sums (
  account_id TEXT NOT NULL,
  month TEXT NOT NULL,
  domain TEXT NOT NULL,
  ore INTEGER NOT NULL,
  PRIMARY KEY (account_id, month, domain)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER order_lines_summed_in AFTER INSERT ON order_lines WHEN NEW.domain IS NOT NULL
BEGIN
  INSERT INTO domain_sums VALUES (NEW.account_id, NEW.month, NEW.domain, NEW.quantity * NEW.unit_price_ore)
    ON CONFLICT (account_id, month, domain) DO UPDATE SET ore = ore + excluded.ore;
END;
CREATE TRIGGER order_lines_summed_anew AFTER UPDATE OF domain, quantity, unit_price_ore ON order_lines
BEGIN
  UPDATE domain_sums SET ore = ore - OLD.quantity * OLD.unit_price_ore
    WHERE OLD.domain IS NOT NULL AND account_id = OLD.account_id AND month = OLD.month AND domain = OLD.domain;
  INSERT INTO domain_sums
    SELECT NEW.account_id, NEW.month, NEW.domain, NEW.quantity * NEW.unit_price_ore WHERE NEW.domain IS NOT NULL
    ON CONFLICT (account_id, month, domain) DO UPDATE SET ore = ore + excluded.ore;
END;

-- the ledger: one row for every Tradera call, written before the call is made
CREATE TABLE calls (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  account_id TEXT NOT NULL REFERENCES accounts (id),
  class TEXT NOT NULL,
  operation TEXT NOT NULL,
  listing_id TEXT REFERENCES listings (id),
  outcome TEXT,                            -- NULL: sent, answer unknown; 'ok', or the failure's sentence
  counted INTEGER NOT NULL DEFAULT 1 CHECK (counted IN (0, 1)),
  duration_ms INTEGER
) STRICT;
CREATE INDEX calls_in_window ON calls (at) WHERE counted = 1;
CREATE INDEX calls_by_listing ON calls (listing_id) WHERE listing_id IS NOT NULL;

-- what may not be called for now: a class after a 429 (account ''), an account whose token Tradera refuses (class '')
CREATE TABLE pauses (
  account_id TEXT NOT NULL,
  class TEXT NOT NULL,
  until INTEGER NOT NULL,
  reason TEXT NOT NULL,
  fingerprint TEXT NOT NULL DEFAULT '',    -- of the refused token: another token lifts the pause
  since INTEGER NOT NULL,
  PRIMARY KEY (account_id, class)
) STRICT, WITHOUT ROWID;

-- what a seller's login at Tradera has given us; a token in the settings comes before it
CREATE TABLE tokens (
  account_id TEXT PRIMARY KEY REFERENCES accounts (id),
  user_id INTEGER NOT NULL,
  token TEXT NOT NULL,                     -- sealed, as is the secret of a login
  ends_at INTEGER,                         -- NULL: Tradera did not say
  obtained_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- logins that were begun in a browser and have given no token yet
CREATE TABLE logins (
  account_id TEXT PRIMARY KEY REFERENCES accounts (id),
  secret TEXT NOT NULL,
  begun_at INTEGER NOT NULL,
  tries INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE api_keys (
  id TEXT PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id),
  digest BLOB NOT NULL UNIQUE,             -- SHA-256 of the key; the key itself is shown once and not kept
  prefix TEXT NOT NULL,
  name TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  last_used_at INTEGER,
  revoked_at INTEGER
) STRICT;

CREATE TABLE marks (
  name TEXT PRIMARY KEY,                   -- admin token digest, reconciliation cursors
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
  digest BLOB PRIMARY KEY,                 -- SHA-256 of the dashboard's cookie
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  origin TEXT NOT NULL,
  action TEXT NOT NULL,
  subject TEXT NOT NULL,
  told TEXT NOT NULL
) STRICT;

-- what the owner has been told outside the pages, once when it began and once when it was over
CREATE TABLE alerts (
  key TEXT PRIMARY KEY,
  text TEXT NOT NULL,
  since INTEGER NOT NULL,
  told_at INTEGER,                         -- NULL: not yet told
  gone_since INTEGER                       -- not found any more since then
) STRICT, WITHOUT ROWID;
