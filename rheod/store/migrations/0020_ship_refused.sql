-- The orders that Tradera does not take for sent are told with every look at what needs the owner.
CREATE INDEX orders_ship_refused ON orders (account_id) WHERE ship_error IS NOT NULL;
