-- Look-alikes are counted among what is on its way up too: several returns may be made at the same moment.
DROP INDEX items_up_by_title;
CREATE INDEX items_up_by_title ON items (account_id, title) WHERE tradera_status IN ('active', 'pending_sync');
