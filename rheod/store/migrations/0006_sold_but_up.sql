-- items that are sold and have an error: among them are those of which an ad is still up, and each look is short
CREATE INDEX items_sold_with_error ON items (rheo_status, updated_at) WHERE rheo_status = 'sold' AND last_error IS NOT NULL;
