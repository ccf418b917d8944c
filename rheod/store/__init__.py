"""Everything rheod keeps: the only folder with SQL."""
