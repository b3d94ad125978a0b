-- Whether the market takes new orders: an operator's decision, which a restart does not undo.
CREATE TABLE market_status (
    only_row BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_row),
    status TEXT NOT NULL DEFAULT 'TRADING' CHECK (status IN ('TRADING', 'CANCEL_ONLY')),
    since_ms BIGINT NOT NULL DEFAULT 0
);
INSERT INTO market_status DEFAULT VALUES;
