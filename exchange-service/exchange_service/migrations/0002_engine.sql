-- Stops, icebergs, pairs, prevented matches, amendments.
ALTER TABLE trade_order
    ADD COLUMN stop_price_sat BIGINT NOT NULL DEFAULT 0 CHECK (stop_price_sat >= 0),
    ADD COLUMN iceberg_rao BIGINT NOT NULL DEFAULT 0 CHECK (iceberg_rao >= 0),
    ADD COLUMN list_id BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN prevented_rao BIGINT NOT NULL DEFAULT 0 CHECK (prevented_rao >= 0),
    ADD COLUMN working_ms BIGINT NOT NULL DEFAULT 0,
    ADD CHECK (executed_rao + prevented_rao <= quantity_rao);
CREATE INDEX trade_order_by_list ON trade_order (list_id) WHERE list_id > 0;

-- Two orders of which one cancels the other.
CREATE TABLE order_pair (
    list_id BIGINT PRIMARY KEY,
    account_id BIGINT NOT NULL,
    client_list_id TEXT NOT NULL,
    above_order_id BIGINT NOT NULL,
    below_order_id BIGINT NOT NULL,
    opened_ms BIGINT NOT NULL,
    done_ms BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX order_pair_by_account ON order_pair (account_id, list_id);

CREATE TABLE prevented_match (
    prevented_id BIGINT PRIMARY KEY,
    time_ms BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    taker_order_id BIGINT NOT NULL,
    maker_order_id BIGINT NOT NULL,
    price_sat BIGINT NOT NULL,
    taker_rao BIGINT NOT NULL CHECK (taker_rao >= 0),
    maker_rao BIGINT NOT NULL CHECK (maker_rao >= 0),
    self_trade TEXT NOT NULL
);
CREATE INDEX prevented_match_by_account ON prevented_match (account_id, prevented_id);

CREATE TABLE amendment (
    amendment_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    time_ms BIGINT NOT NULL,
    previous_rao BIGINT NOT NULL,
    quantity_rao BIGINT NOT NULL CHECK (quantity_rao < previous_rao),
    previous_client_order_id TEXT NOT NULL,
    client_order_id TEXT NOT NULL
);
CREATE INDEX amendment_by_order ON amendment (order_id, amendment_id);

-- The ledger's own chain: one seal a commit, over the seal before it and the rows as they were
-- copied: sequence, asset, source, pocket, target, pocket, amount, reason and reference, a tab
-- between, a line each.
CREATE TABLE ledger_seal (
    sequence BIGINT PRIMARY KEY,
    hash BYTEA NOT NULL CHECK (length(hash) = 32)
);
CREATE INDEX transfer_by_sequence ON transfer USING brin (sequence) WITH (pages_per_range = 16);
-- Room in each page, so that a change of these rows touches no index.
ALTER TABLE balance SET (fillfactor = 50);
ALTER TABLE engine SET (fillfactor = 10);

-- An engine that lives says so; one that is silent may be frozen, and is fenced before another starts.
ALTER TABLE engine ADD COLUMN alive_at TIMESTAMPTZ NOT NULL DEFAULT now();

-- The state after a journal entry, so that a start need not replay the journal from its beginning.
CREATE TABLE snapshot (
    sequence BIGINT PRIMARY KEY,
    journal_hash BYTEA NOT NULL CHECK (length(journal_hash) = 32),
    fingerprint TEXT NOT NULL,
    state BYTEA NOT NULL,
    taken_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE TRIGGER ledger_seal_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_seal
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER prevented_match_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON prevented_match
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER amendment_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON amendment
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
