-- A chain under load: what is written for each extrinsic and at each step is lean, and is read as
-- it lies there.

-- Amounts fit 63 bits: there are at most 2.1e16 rao. A changed balance stays on its page.
ALTER TABLE account ALTER COLUMN free_rao TYPE BIGINT;
ALTER TABLE account SET (fillfactor = 70);

-- JSON is kept as it is told: reading a block joins texts.
ALTER TABLE extrinsic ALTER COLUMN body TYPE JSON, ALTER COLUMN fee_rao TYPE BIGINT;
ALTER TABLE event ALTER COLUMN body TYPE JSON;

-- Postgres is still the mempool; the author reads what intake has checked, and checks nothing again.
DROP TABLE mempool;
CREATE TABLE mempool (
    sequence BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    signer TEXT NOT NULL,
    nonce BIGINT NOT NULL,
    fee_rao BIGINT NOT NULL CHECK (fee_rao >= 0),
    length INTEGER NOT NULL,
    body JSON NOT NULL,
    UNIQUE (signer, nonce)
);
