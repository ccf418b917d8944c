-- Tradera may move an ad to another category: the one that it was put into; its `category_id` is where it is.
ALTER TABLE listings ADD COLUMN moved_from INTEGER;
CREATE INDEX listings_moved ON listings (item_id, generation) WHERE moved_from IS NOT NULL;
