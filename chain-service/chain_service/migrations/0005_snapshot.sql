-- Where a database began with a snapshot: blocks up to this one are not kept in it.
ALTER TABLE genesis ADD COLUMN snapshot_height BIGINT CHECK (snapshot_height >= 0);
