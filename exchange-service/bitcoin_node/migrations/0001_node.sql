-- Every block ever seen; the active ones are the chain. A block once called invalid stays known.
CREATE TABLE block (
    hash TEXT PRIMARY KEY,
    height INTEGER NOT NULL CHECK (height >= 0),
    previous_hash TEXT NOT NULL,
    header BYTEA NOT NULL CHECK (length(header) = 80),
    active BOOLEAN NOT NULL,
    valid BOOLEAN NOT NULL DEFAULT true,
    seen BIGINT GENERATED ALWAYS AS IDENTITY
);
CREATE UNIQUE INDEX block_active ON block (height) WHERE active;
CREATE INDEX block_by_parent ON block (previous_hash);

CREATE TABLE block_transaction (
    block_hash TEXT NOT NULL REFERENCES block,
    position INTEGER NOT NULL,
    txid TEXT NOT NULL,
    raw BYTEA NOT NULL,
    PRIMARY KEY (block_hash, position)
);
CREATE INDEX block_transaction_by_txid ON block_transaction (txid);

-- Outputs of the active chain, and the height at which each was spent, so that it can be undone.
CREATE TABLE output (
    txid TEXT NOT NULL,
    vout INTEGER NOT NULL,
    amount_sat BIGINT NOT NULL CHECK (amount_sat >= 0),
    script BYTEA NOT NULL,
    height INTEGER NOT NULL,
    coinbase BOOLEAN NOT NULL,
    spent_height INTEGER,
    PRIMARY KEY (txid, vout)
);
CREATE INDEX output_by_height ON output (height);
CREATE INDEX output_by_spent_height ON output (spent_height);
CREATE INDEX output_unspent_by_script ON output (script) WHERE spent_height IS NULL;

-- What waits for a block. An output is spent by one waiting transaction at most.
CREATE TABLE waiting (
    txid TEXT PRIMARY KEY,
    raw BYTEA NOT NULL,
    fee_sat BIGINT NOT NULL,
    virtual_bytes INTEGER NOT NULL,
    arrived_s BIGINT NOT NULL,
    arrival BIGINT GENERATED ALWAYS AS IDENTITY
);
CREATE TABLE waiting_input (
    previous_txid TEXT NOT NULL,
    previous_vout INTEGER NOT NULL,
    txid TEXT NOT NULL REFERENCES waiting ON DELETE CASCADE,
    PRIMARY KEY (previous_txid, previous_vout)
);
CREATE INDEX waiting_input_by_txid ON waiting_input (txid);
CREATE TABLE waiting_output (
    txid TEXT NOT NULL REFERENCES waiting ON DELETE CASCADE,
    vout INTEGER NOT NULL,
    amount_sat BIGINT NOT NULL,
    script BYTEA NOT NULL,
    PRIMARY KEY (txid, vout)
);

-- The node's own wallet: it receives what is mined, and is the faucet for test coins.
CREATE TABLE wallet_address (
    number INTEGER PRIMARY KEY,
    script BYTEA NOT NULL UNIQUE
);
