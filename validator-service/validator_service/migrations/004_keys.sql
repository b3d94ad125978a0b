-- What a key may do: until when, for how much, and not after it was revoked.

ALTER TABLE api_key ADD COLUMN id TEXT GENERATED ALWAYS AS (left(encode(digest, 'hex'), 16)) STORED;
ALTER TABLE api_key ADD CONSTRAINT api_key_id UNIQUE (id);
ALTER TABLE api_key ADD COLUMN label TEXT NOT NULL DEFAULT '';
ALTER TABLE api_key ADD COLUMN expires_at TIMESTAMPTZ;
ALTER TABLE api_key ADD COLUMN revoked_at TIMESTAMPTZ;
ALTER TABLE api_key ADD COLUMN cap_rao NUMERIC(20, 0);
ALTER TABLE api_key ADD COLUMN spent_rao NUMERIC(20, 0) NOT NULL DEFAULT 0;
ALTER TABLE api_key ADD COLUMN reserved_rao NUMERIC(20, 0) NOT NULL DEFAULT 0;
ALTER TABLE api_key ADD CONSTRAINT api_key_reserved CHECK (reserved_rao >= 0);
ALTER TABLE api_key ADD CONSTRAINT api_key_cap
    CHECK (cap_rao IS NULL OR spent_rao + reserved_rao <= cap_rao);
CREATE INDEX api_key_account ON api_key (account);

ALTER TABLE call ADD COLUMN key_id TEXT REFERENCES api_key (id);
