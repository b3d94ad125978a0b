-- Nothing that is done for an extrinsic may depend on how many wait, or waited.

-- What a signer's extrinsics up to this one owe, counted from some beginning: of two, the
-- difference is what lies between them, so nobody adds up all that wait.
ALTER TABLE mempool ADD COLUMN fees_sum_rao BIGINT;
UPDATE mempool SET fees_sum_rao = summed.fees_rao FROM (
    SELECT sequence, sum(fee_rao) OVER (PARTITION BY signer ORDER BY nonce) AS fees_rao
    FROM mempool) AS summed
WHERE summed.sequence = mempool.sequence;
ALTER TABLE mempool ALTER COLUMN fees_sum_rao SET NOT NULL;

-- A signer and a nonce name one extrinsic only, so the hash need not be unique once more.
ALTER TABLE mempool DROP CONSTRAINT mempool_hash_key;
CREATE INDEX mempool_hash ON mempool USING hash (hash);

-- How many waited as the author last wrote, and the newest of which it knew: what came since is
-- the rest of the sequence.
ALTER TABLE author
    ADD COLUMN waiting BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN last_sequence BIGINT NOT NULL DEFAULT 0;

-- What expired may come again: who looks for it must not look among all there ever was.
CREATE INDEX extrinsic_expired ON extrinsic (hash) WHERE status = 'expired';
