-- Payouts: the Servers' shares of what consumers paid, sent on chain in batches, each call once.
--
-- The books' further sides: `server:<coldkey>` is what a Server's owner is owed, `fees` what the
-- chain charged, `capital` what the operator himself sent to the treasury.

ALTER TABLE transfer DROP CONSTRAINT transfer_kind_check;
ALTER TABLE transfer ADD CONSTRAINT transfer_kind_check
    CHECK (kind IN ('deposit', 'usage', 'share', 'payout', 'fee', 'funding'));

-- An extrinsic that must have its effect once: intended, then signed and stored, then sent.
CREATE TABLE payment (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('sweep', 'payout')),
    account_number BIGINT REFERENCES account (number),
    state TEXT NOT NULL DEFAULT 'intended' CHECK (state IN ('intended', 'signed', 'settled')),
    extrinsic JSONB,
    extrinsic_hash TEXT,
    height BIGINT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CHECK ((kind = 'sweep') = (account_number IS NOT NULL)),
    CHECK ((state = 'intended') = (extrinsic_hash IS NULL))
);
-- One at a time for each key, so that nonces never wait for each other.
CREATE UNIQUE INDEX payment_under_way ON payment (kind, coalesce(account_number, 0))
    WHERE state <> 'settled';

CREATE TABLE payout (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payment_id BIGINT NOT NULL REFERENCES payment (id),
    coldkey TEXT NOT NULL,
    amount_rao NUMERIC(20, 0) NOT NULL CHECK (amount_rao > 0),
    UNIQUE (payment_id, coldkey)
);

ALTER TABLE call ADD COLUMN server_coldkey TEXT;
ALTER TABLE call ADD COLUMN share_rao NUMERIC(20, 0) NOT NULL DEFAULT 0;
ALTER TABLE call ADD COLUMN payout_id BIGINT REFERENCES payout (id);
CREATE INDEX call_unpaid ON call (server_coldkey) WHERE payout_id IS NULL AND share_rao > 0;
CREATE INDEX call_payout ON call (payout_id) WHERE payout_id IS NOT NULL;

-- Up to which row of `transfer` an account's deposits were swept to the treasury.
ALTER TABLE account ADD COLUMN swept_transfer BIGINT NOT NULL DEFAULT 0;
CREATE INDEX transfer_deposit ON transfer (credit) WHERE kind = 'deposit';
