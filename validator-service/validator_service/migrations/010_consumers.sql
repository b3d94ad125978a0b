-- What consumers may rely on: keys with scopes, calls that happen once, money that comes back.

ALTER TABLE api_key ADD COLUMN scopes TEXT[] NOT NULL DEFAULT '{inference,knowledge,account}';
-- Whether calls by this key may be among those that Servers are scored by.
ALTER TABLE api_key ADD COLUMN sampled BOOLEAN NOT NULL DEFAULT TRUE;

-- The same key of the consumer's own choice never begins a second call; a call that came to
-- nothing lets go of it.
ALTER TABLE call ADD COLUMN idempotency_key TEXT;
CREATE UNIQUE INDEX call_idempotency ON call (key_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX call_account ON call (account, created_at);

-- What a consumer asked back: booked at once, sent with the next batch of payouts.
CREATE TABLE refund (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account TEXT NOT NULL REFERENCES account (address),
    amount_rao NUMERIC(20, 0) NOT NULL CHECK (amount_rao > 0),
    payment_id BIGINT REFERENCES payment (id),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX refund_waiting ON refund (id) WHERE payment_id IS NULL;
CREATE INDEX refund_payment ON refund (payment_id) WHERE payment_id IS NOT NULL;
CREATE INDEX refund_account ON refund (account, id);

-- The books' side `refunds` is what was asked back and is not on chain yet.
ALTER TABLE transfer DROP CONSTRAINT transfer_kind_check;
ALTER TABLE transfer ADD CONSTRAINT transfer_kind_check CHECK (kind IN (
    'deposit', 'usage', 'share', 'payout', 'fee', 'funding', 'refund', 'refund_fee', 'refunded'));

-- Passages of consumers' prompts, which Servers are asked about in rounds; each is used once.
CREATE TABLE passage (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tokens INTEGER[] NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
