-- The gateway's books. Balances can't go below zero, and rows of `transfer` are never changed.

CREATE TABLE account (
    address TEXT PRIMARY KEY,
    number BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE,
    deposit_address TEXT UNIQUE,
    balance_rao NUMERIC(20, 0) NOT NULL DEFAULT 0,
    reserved_rao NUMERIC(20, 0) NOT NULL DEFAULT 0,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CHECK (reserved_rao >= 0),
    CHECK (balance_rao >= reserved_rao)
);

CREATE TABLE api_key (
    digest BYTEA PRIMARY KEY,
    account TEXT NOT NULL REFERENCES account (address),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- Every movement has two sides: what one side loses the other gains. `chain` and `revenue` are the
-- gateway's own sides; all others are consumers' addresses.
CREATE TABLE transfer (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('deposit', 'usage')),
    reference TEXT NOT NULL,
    debit TEXT NOT NULL,
    credit TEXT NOT NULL,
    amount_rao NUMERIC(20, 0) NOT NULL CHECK (amount_rao > 0),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    UNIQUE (kind, reference),
    CHECK (debit <> credit)
);

CREATE TABLE call (
    request_id TEXT PRIMARY KEY,
    account TEXT NOT NULL REFERENCES account (address),
    model TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'reserved' CHECK (state IN ('reserved', 'settled', 'released')),
    reserved_rao NUMERIC(20, 0) NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    server_uid INTEGER,
    server_hotkey TEXT,
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    cost_rao NUMERIC(20, 0),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX call_reserved ON call (expires_at) WHERE state = 'reserved';

-- One row: up to which block deposits were looked for.
CREATE TABLE deposit_cursor (
    single BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (single),
    height BIGINT NOT NULL
);
INSERT INTO deposit_cursor (height) VALUES (0);
