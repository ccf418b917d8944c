-- ads that are up, by title: how many there are of one kind is asked for before each new ad
CREATE INDEX items_up_by_title ON items (account_id, title) WHERE tradera_status = 'active';
