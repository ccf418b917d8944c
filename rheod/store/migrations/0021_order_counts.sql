-- how many orders of an account stand so, kept by the triggers below: the first page of a list tells it without counting
CREATE TABLE order_counts (
  account_id TEXT NOT NULL,
  status TEXT NOT NULL,
  orders INTEGER NOT NULL CHECK (orders >= 0),
  PRIMARY KEY (account_id, status)
) STRICT, WITHOUT ROWID;
INSERT INTO order_counts SELECT account_id, status, count(*) FROM orders GROUP BY account_id, status;
CREATE TRIGGER orders_counted_in AFTER INSERT ON orders
BEGIN
  INSERT INTO order_counts VALUES (NEW.account_id, NEW.status, 1)
    ON CONFLICT (account_id, status) DO UPDATE SET orders = orders + 1;
END;
CREATE TRIGGER orders_counted_anew AFTER UPDATE OF status ON orders WHEN NEW.status <> OLD.status
BEGIN
  UPDATE order_counts SET orders = orders - 1 WHERE account_id = OLD.account_id AND status = OLD.status;
  INSERT INTO order_counts VALUES (NEW.account_id, NEW.status, 1)
    ON CONFLICT (account_id, status) DO UPDATE SET orders = orders + 1;
END;
CREATE TRIGGER orders_counted_out AFTER DELETE ON orders
BEGIN
  UPDATE order_counts SET orders = orders - 1 WHERE account_id = OLD.account_id AND status = OLD.status;
END;

-- the tabs of the page of orders: those to be sent come the oldest first
CREATE INDEX orders_by_age ON orders (account_id, status, created_at, order_id);
