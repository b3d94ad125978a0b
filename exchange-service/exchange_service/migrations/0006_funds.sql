-- An account has a deposit address for each coin.
ALTER TABLE deposit_address ADD COLUMN asset TEXT NOT NULL DEFAULT 'TAO';
ALTER TABLE deposit_address ALTER COLUMN asset DROP DEFAULT;
ALTER TABLE deposit_address DROP CONSTRAINT deposit_address_pkey;
ALTER TABLE deposit_address ADD PRIMARY KEY (account_id, asset);

-- Blocks of Bitcoin can be replaced, so a deposit of BTC is known by its output, not by its place.
ALTER TABLE deposit DROP CONSTRAINT deposit_pkey;
CREATE UNIQUE INDEX deposit_by_event ON deposit (asset, height, event_index) WHERE asset = 'TAO';
CREATE UNIQUE INDEX deposit_by_output ON deposit (asset, transaction_id, event_index)
    WHERE asset = 'BTC';

-- cancelling: its owner took it back before it was signed; the engine is yet to be told.
ALTER TABLE withdrawal DROP CONSTRAINT withdrawal_status_check;
ALTER TABLE withdrawal ADD CHECK
    (status IN ('requested', 'cancelling', 'signed', 'completed', 'failed'));
ALTER TABLE withdrawal ADD COLUMN signed_ms BIGINT;
CREATE INDEX withdrawal_by_signing ON withdrawal (asset, signed_ms);
DROP INDEX withdrawal_pending;
CREATE INDEX withdrawal_pending ON withdrawal (withdrawal_id)
    WHERE status IN ('requested', 'cancelling', 'signed');

-- Whom an account may pay, once it has chosen to pay nobody else.
CREATE TABLE withdrawal_address (
    account_id BIGINT NOT NULL,
    asset TEXT NOT NULL,
    address TEXT NOT NULL,
    label TEXT NOT NULL,
    added_ms BIGINT NOT NULL,
    PRIMARY KEY (account_id, asset, address)
);
CREATE TABLE allow_list (
    account_id BIGINT PRIMARY KEY,
    enforced BOOLEAN NOT NULL,
    changed_ms BIGINT NOT NULL
);

-- What the exchange holds in Bitcoin: every output that pays one of its addresses.
CREATE TABLE bitcoin_block (
    height BIGINT PRIMARY KEY,
    hash TEXT NOT NULL
);
CREATE TABLE bitcoin_coin (
    txid TEXT NOT NULL,
    vout INTEGER NOT NULL,
    amount_sat BIGINT NOT NULL CHECK (amount_sat > 0),
    account_id BIGINT NOT NULL,  -- whose deposit address; 0: our own change
    height BIGINT,               -- NULL: its block is no longer in the chain
    spendable_height BIGINT NOT NULL,
    withdrawal_id BIGINT,        -- the one payment that may spend it
    PRIMARY KEY (txid, vout)
);
CREATE INDEX bitcoin_coin_free ON bitcoin_coin (amount_sat) WHERE withdrawal_id IS NULL;

-- All versions of a payment, each dearer than the one before. They spend the same coins, so the
-- chain can hold one of them at most.
CREATE TABLE bitcoin_payment (
    txid TEXT PRIMARY KEY,
    withdrawal_id BIGINT NOT NULL,
    raw TEXT NOT NULL,
    fee_sat BIGINT NOT NULL,
    virtual_bytes INTEGER NOT NULL,
    signed_height BIGINT NOT NULL,
    height BIGINT                -- of the block that holds it
);
CREATE INDEX bitcoin_payment_by_withdrawal ON bitcoin_payment (withdrawal_id, fee_sat);
