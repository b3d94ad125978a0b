-- How many bytes a signer has waiting, by the difference of two sums, as with its fees.
ALTER TABLE mempool ADD COLUMN lengths_sum BIGINT;
UPDATE mempool SET lengths_sum = summed.lengths FROM (
    SELECT sequence, sum(length) OVER (PARTITION BY signer ORDER BY nonce) AS lengths
    FROM mempool) AS summed
WHERE summed.sequence = mempool.sequence;
ALTER TABLE mempool ALTER COLUMN lengths_sum SET NOT NULL;
