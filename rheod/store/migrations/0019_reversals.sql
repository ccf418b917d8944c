-- Sales that fell through, as the owner or the ERP has said: the same word again gets the same answer.
CREATE TABLE sale_reversals (
  id INTEGER PRIMARY KEY,
  item_id TEXT NOT NULL REFERENCES items (id),
  order_id INTEGER,                        -- NULL: it was sold elsewhere
  reason TEXT NOT NULL CHECK (reason IN ('unpaid', 'cancelled', 'returned', 'lost')),
  refunded INTEGER NOT NULL CHECK (refunded IN (0, 1)),
  relist INTEGER NOT NULL CHECK (relist IN (0, 1)),
  at INTEGER NOT NULL
) STRICT;
CREATE INDEX sale_reversals_by_item ON sale_reversals (item_id, id);

ALTER TABLE items ADD COLUMN elsewhere_ore INTEGER;      -- the price of a sale elsewhere that stands; NULL: none
ALTER TABLE orders ADD COLUMN reversed_paid_ore INTEGER; -- what was paid when the last line fell through
