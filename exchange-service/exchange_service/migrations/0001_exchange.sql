-- The one writer. Each start raises the epoch; a commit of an older epoch changes nothing and fails.
CREATE TABLE engine (
    only_row BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_row),
    epoch BIGINT NOT NULL DEFAULT 0,
    sequence BIGINT NOT NULL DEFAULT 0
);
INSERT INTO engine DEFAULT VALUES;

-- The record of record: every command that changed something, in order, each hash over all before.
CREATE TABLE journal (
    sequence BIGINT PRIMARY KEY,
    epoch BIGINT NOT NULL,
    payload TEXT NOT NULL,
    hash BYTEA NOT NULL CHECK (length(hash) = 32)
);

-- What follows is derived from the journal, in the transaction that wrote it.
CREATE TABLE account (
    account_id BIGINT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    maker_ppm INTEGER NOT NULL CHECK (maker_ppm BETWEEN 0 AND 1000000),
    taker_ppm INTEGER NOT NULL CHECK (taker_ppm BETWEEN 0 AND 1000000),
    opened_ms BIGINT NOT NULL
);

-- The house's own accounts (below 1000) stand below zero where they face what users hold.
CREATE TABLE balance (
    account_id BIGINT PRIMARY KEY,
    free_sat BIGINT NOT NULL CHECK (free_sat >= 0 OR account_id < 1000),
    locked_sat BIGINT NOT NULL CHECK (locked_sat >= 0),
    free_rao BIGINT NOT NULL CHECK (free_rao >= 0 OR account_id < 1000),
    locked_rao BIGINT NOT NULL CHECK (locked_rao >= 0)
);

CREATE TABLE transfer (
    transfer_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sequence BIGINT NOT NULL,
    asset TEXT NOT NULL CHECK (asset IN ('BTC', 'TAO')),
    source_account BIGINT NOT NULL,
    source_pocket TEXT NOT NULL CHECK (source_pocket IN ('free', 'locked')),
    target_account BIGINT NOT NULL,
    target_pocket TEXT NOT NULL CHECK (target_pocket IN ('free', 'locked')),
    amount BIGINT NOT NULL CHECK (amount > 0),
    reason TEXT NOT NULL,
    reference BIGINT NOT NULL,
    CHECK (source_account <> target_account OR source_pocket <> target_pocket)
);

CREATE TABLE trade_order (
    order_id BIGINT PRIMARY KEY,
    account_id BIGINT NOT NULL,
    client_order_id TEXT NOT NULL,
    side TEXT NOT NULL CHECK (side IN ('BUY', 'SELL')),
    kind TEXT NOT NULL,
    time_in_force TEXT NOT NULL,
    self_trade TEXT NOT NULL,
    price_sat BIGINT NOT NULL CHECK (price_sat >= 0),
    quantity_rao BIGINT NOT NULL CHECK (quantity_rao >= 0),
    asked_sat BIGINT NOT NULL,
    executed_rao BIGINT NOT NULL CHECK (executed_rao BETWEEN 0 AND quantity_rao),
    executed_sat BIGINT NOT NULL,
    status TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL
);
CREATE INDEX trade_order_by_account ON trade_order (account_id, order_id);
CREATE INDEX trade_order_by_client_id ON trade_order (account_id, client_order_id, order_id);
CREATE INDEX trade_order_open ON trade_order (account_id, order_id)
    WHERE status IN ('NEW', 'PARTIALLY_FILLED');

CREATE TABLE trade (
    trade_id BIGINT PRIMARY KEY,
    time_ms BIGINT NOT NULL,
    price_sat BIGINT NOT NULL CHECK (price_sat > 0),
    quantity_rao BIGINT NOT NULL CHECK (quantity_rao > 0),
    quote_sat BIGINT NOT NULL CHECK (quote_sat > 0),
    taker_side TEXT NOT NULL,
    taker_order_id BIGINT NOT NULL,
    taker_account_id BIGINT NOT NULL,
    taker_fee_sat BIGINT NOT NULL CHECK (taker_fee_sat >= 0),
    maker_order_id BIGINT NOT NULL,
    maker_account_id BIGINT NOT NULL,
    maker_fee_sat BIGINT NOT NULL CHECK (maker_fee_sat >= 0)
);
CREATE INDEX trade_by_time ON trade (time_ms);
CREATE INDEX trade_by_taker ON trade (taker_account_id, trade_id);
CREATE INDEX trade_by_maker ON trade (maker_account_id, trade_id);

CREATE TABLE deposit (
    asset TEXT NOT NULL,
    height BIGINT NOT NULL,
    event_index INTEGER NOT NULL,
    account_id BIGINT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount > 0),
    address TEXT NOT NULL,
    transaction_id TEXT NOT NULL,
    credited_ms BIGINT NOT NULL,
    PRIMARY KEY (asset, height, event_index)
);
CREATE INDEX deposit_by_account ON deposit (account_id, credited_ms);

-- A withdrawal is its own outbox: requested → signed (bytes stored) → sent → completed or failed.
CREATE TABLE withdrawal (
    withdrawal_id BIGINT PRIMARY KEY,
    account_id BIGINT NOT NULL,
    asset TEXT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount > fee),
    fee BIGINT NOT NULL CHECK (fee >= 0),
    address TEXT NOT NULL,
    client_withdrawal_id TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('requested', 'signed', 'completed', 'failed')),
    requested_ms BIGINT NOT NULL,
    completed_ms BIGINT,
    extrinsic JSONB,
    extrinsic_hash TEXT
);
CREATE INDEX withdrawal_by_account ON withdrawal (account_id, requested_ms);
CREATE UNIQUE INDEX withdrawal_by_client_id ON withdrawal (account_id, client_withdrawal_id)
    WHERE client_withdrawal_id <> '';
CREATE INDEX withdrawal_pending ON withdrawal (withdrawal_id)
    WHERE status IN ('requested', 'signed');

-- What is not the engine's: keys, addresses, how far the chain was read, the wallet's own moves.
CREATE TABLE api_key (
    api_key TEXT PRIMARY KEY,
    account_id BIGINT NOT NULL,
    created_ms BIGINT NOT NULL
);

CREATE TABLE deposit_address (
    account_id BIGINT PRIMARY KEY,
    address TEXT NOT NULL UNIQUE,
    sweep_due BOOLEAN NOT NULL DEFAULT false
);

CREATE TABLE chain_view (
    only_row BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_row),
    wallet_address TEXT NOT NULL,
    genesis_hash TEXT NOT NULL,
    next_height BIGINT NOT NULL
);

-- What is written is written: a correction is a new row.
CREATE FUNCTION forbid_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% only grows: % is not allowed', TG_TABLE_NAME, TG_OP;
END $$;
CREATE TRIGGER journal_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON journal
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER transfer_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON transfer
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER trade_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON trade
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
