-- A credited deposit of BTC is locked until a second depth: it may be traded, and not withdrawn.
ALTER TABLE bitcoin_coin ADD COLUMN unlocked BOOLEAN NOT NULL DEFAULT false;
UPDATE bitcoin_coin SET unlocked = true;

-- One that vanishes before is reversed; mined again, it counts again.
ALTER TABLE deposit ADD COLUMN reversed_ms BIGINT;

-- What a reversal could not take back: the account had traded it away.
CREATE TABLE shortfall (
    account_id BIGINT PRIMARY KEY,
    amount_sat BIGINT NOT NULL CHECK (amount_sat >= 0)
);
CREATE INDEX shortfall_open ON shortfall (account_id) WHERE amount_sat > 0;

-- How far each chain has come, and the deposits in blocks that are not deep enough to be booked.
CREATE TABLE chain_tip (
    asset TEXT PRIMARY KEY,
    height BIGINT NOT NULL
);
CREATE TABLE pending_deposit (
    asset TEXT NOT NULL,
    height BIGINT NOT NULL,
    event_index INTEGER NOT NULL,
    account_id BIGINT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount > 0),
    address TEXT NOT NULL,
    transaction_id TEXT NOT NULL,
    seen_ms BIGINT NOT NULL,
    PRIMARY KEY (asset, transaction_id, event_index)
);
CREATE INDEX pending_deposit_by_account ON pending_deposit (account_id);
