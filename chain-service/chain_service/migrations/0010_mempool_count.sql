-- How many extrinsics wait, and of how many bytes: what arrived, less what left. Nobody counts them,
-- and the author, whose block takes some away, shares no row with those who take in more.
CREATE TABLE mempool_count (
    what TEXT PRIMARY KEY CHECK (what IN ('arrived', 'left')),
    extrinsics BIGINT NOT NULL,
    bytes BIGINT NOT NULL
) WITH (fillfactor = 10);
INSERT INTO mempool_count
    SELECT 'arrived', count(*), coalesce(sum(length), 0) FROM mempool UNION ALL SELECT 'left', 0, 0;
ALTER TABLE author DROP COLUMN waiting, DROP COLUMN last_sequence;
