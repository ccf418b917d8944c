-- The owner finds an item by its marks too: its id, what its metadata says (a shelf, say), part and catalogue numbers.
DROP TABLE item_words;
CREATE VIRTUAL TABLE item_words USING fts5(title, marks, tokenize = 'unicode61 remove_diacritics 2');
INSERT INTO item_words (rowid, title, marks)
  SELECT number, title, external_id
    || coalesce((SELECT ' ' || group_concat(atom, ' ') FROM json_each(spec, '$.metadata') WHERE type IN ('text', 'integer', 'real')), '')
    || coalesce(' ' || json_extract(spec, '$.attributes.part.oemNumber'), '')
    || coalesce((SELECT ' ' || group_concat(atom, ' ') FROM json_each(spec, '$.attributes.part.catalogCodes')), '')
  FROM items WHERE removed_at IS NULL;

-- all that the owner's list groups, counts and orders by, so that it reads no rows but those it shows
CREATE INDEX items_listed ON items (account_id, number, tradera_status, rheo_status, type, price_ore, removed_at)
  WHERE removed_at IS NULL;
