-- What a key may do, from where, and by which signature: HMAC, unless there is a public key.
ALTER TABLE api_key
    ADD COLUMN label TEXT NOT NULL DEFAULT '',
    ADD COLUMN permissions TEXT[] NOT NULL DEFAULT '{read,trade,withdraw}',
    ADD COLUMN addresses TEXT[] NOT NULL DEFAULT '{}',
    ADD COLUMN public_key BYTEA CHECK (length(public_key) = 32),
    ADD COLUMN revoked_ms BIGINT;
CREATE INDEX api_key_by_account ON api_key (account_id);

-- Candles and aggregates are drawn from the trades, a second behind them, by a writer of their own.
CREATE TABLE history_mark (
    only_row BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_row),
    last_trade_id BIGINT NOT NULL DEFAULT 0
);
INSERT INTO history_mark DEFAULT VALUES;

CREATE TABLE candle (
    period TEXT NOT NULL,
    open_ms BIGINT NOT NULL,
    open_sat BIGINT NOT NULL,
    high_sat BIGINT NOT NULL,
    low_sat BIGINT NOT NULL,
    close_sat BIGINT NOT NULL,
    volume_rao BIGINT NOT NULL,
    quote_sat BIGINT NOT NULL,
    trades BIGINT NOT NULL,
    taker_buy_rao BIGINT NOT NULL,
    taker_buy_sat BIGINT NOT NULL,
    first_id BIGINT NOT NULL,
    last_id BIGINT NOT NULL,
    PRIMARY KEY (period, open_ms)
);

CREATE TABLE aggregate_trade (
    aggregate_id BIGINT PRIMARY KEY,
    first_id BIGINT NOT NULL,
    last_id BIGINT NOT NULL,
    time_ms BIGINT NOT NULL,
    price_sat BIGINT NOT NULL,
    quantity_rao BIGINT NOT NULL,
    taker_side TEXT NOT NULL
);
CREATE INDEX aggregate_trade_by_time ON aggregate_trade (time_ms, aggregate_id);
