-- The chain: what it is (genesis), what happened (block, extrinsic, event), what is (account,
-- neuron, counters), what waits (mempool), what is to be told (outbox).

CREATE TABLE genesis (
    single BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (single),
    block_hash TEXT NOT NULL,
    parameters JSONB NOT NULL
);

-- The primary key is the fence: two authors can't both write a height.
CREATE TABLE block (
    height BIGINT PRIMARY KEY CHECK (height >= 0),
    block_hash TEXT NOT NULL UNIQUE,
    parent_hash TEXT NOT NULL,
    time_ms BIGINT NOT NULL,
    extrinsics_root TEXT NOT NULL,
    state_root TEXT NOT NULL,
    issuance_rao NUMERIC(20, 0) NOT NULL CHECK (issuance_rao >= 0),
    free_rao NUMERIC(20, 0) NOT NULL CHECK (free_rao >= 0),
    stake_rao NUMERIC(20, 0) NOT NULL CHECK (stake_rao >= 0),
    pot_rao NUMERIC(20, 0) NOT NULL CHECK (pot_rao >= 0),
    apply_microseconds BIGINT NOT NULL,
    CHECK (free_rao + stake_rao + pot_rao = issuance_rao)
);

-- An extrinsic in a block, or one that expired outside any (no height).
CREATE TABLE extrinsic (
    hash TEXT PRIMARY KEY,
    height BIGINT REFERENCES block,
    index INTEGER,
    status TEXT NOT NULL CHECK (status IN ('included', 'failed', 'expired')),
    error TEXT,
    fee_rao NUMERIC(20, 0) NOT NULL CHECK (fee_rao >= 0),
    body JSONB NOT NULL,
    UNIQUE (height, index),
    CHECK ((height IS NULL) = (status = 'expired'))
);

CREATE TABLE event (
    height BIGINT NOT NULL REFERENCES block,
    index INTEGER NOT NULL,
    extrinsic_index INTEGER,
    kind TEXT NOT NULL,
    body JSONB NOT NULL,
    PRIMARY KEY (height, index)
);

CREATE TABLE account (
    address TEXT PRIMARY KEY,
    free_rao NUMERIC(20, 0) NOT NULL CHECK (free_rao >= 0),
    nonce BIGINT NOT NULL CHECK (nonce >= 0)
);

-- A slot changes hands by overwriting its row, so one hotkey per row is checked at the end.
CREATE TABLE neuron (
    uid INTEGER PRIMARY KEY CHECK (uid >= 0),
    hotkey TEXT NOT NULL,
    coldkey TEXT NOT NULL,
    registered_block BIGINT NOT NULL,
    last_update_block BIGINT NOT NULL,
    weights_block BIGINT,
    name TEXT NOT NULL,
    ip TEXT NOT NULL,
    port INTEGER NOT NULL,
    take INTEGER,
    commit_hash TEXT,
    commit_block BIGINT,
    stake_rao NUMERIC(20, 0) NOT NULL CHECK (stake_rao >= 0),
    stakes_rao JSONB NOT NULL,
    active BOOLEAN NOT NULL,
    rank NUMERIC(20, 0) NOT NULL,
    trust NUMERIC(20, 0) NOT NULL,
    consensus NUMERIC(20, 0) NOT NULL,
    incentive NUMERIC(20, 0) NOT NULL,
    dividends NUMERIC(20, 0) NOT NULL,
    emission_rao NUMERIC(20, 0) NOT NULL CHECK (emission_rao >= 0),
    UNIQUE (hotkey) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX neuron_stakes ON neuron USING gin (stakes_rao);

CREATE TABLE weights (
    uid INTEGER PRIMARY KEY,
    entries JSONB NOT NULL
);

CREATE TABLE bonds (
    uid INTEGER PRIMARY KEY,
    entries JSONB NOT NULL
);

CREATE TABLE counters (
    single BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (single),
    entries JSONB NOT NULL
);

-- What was acknowledged and is in no block yet. The sequence is the order of arrival.
CREATE TABLE mempool (
    sequence BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    signer TEXT NOT NULL,
    nonce BIGINT NOT NULL,
    body JSONB NOT NULL,
    UNIQUE (signer, nonce)
);

-- The one that writes, and when it last did: another takes over from one that is silent.
CREATE TABLE author (
    single BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (single),
    backend_pid INTEGER NOT NULL,
    beat_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE outbox (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream TEXT NOT NULL,
    kind TEXT NOT NULL,
    body JSONB NOT NULL
);
