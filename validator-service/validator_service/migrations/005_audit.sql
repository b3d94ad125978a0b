-- A model is paid once, to who answers fastest; synergy needs no memory of pairs any more.

ALTER TABLE standing ADD COLUMN seconds_total DOUBLE PRECISION NOT NULL DEFAULT 0;
ALTER TABLE standing ADD COLUMN seconds_weight DOUBLE PRECISION NOT NULL DEFAULT 0;
ALTER TABLE standing ADD COLUMN by_heart_total DOUBLE PRECISION NOT NULL DEFAULT 0;
ALTER TABLE standing ADD COLUMN by_heart_weight DOUBLE PRECISION NOT NULL DEFAULT 0;
DROP TABLE pair;

-- Answers as they came, with both signatures: whoever has them can judge the round again.
UPDATE round SET state = 'parked' WHERE state IN ('asking', 'asked');
ALTER TABLE round ADD COLUMN text_digest TEXT;
ALTER TABLE round ADD COLUMN scored_order BIGINT UNIQUE;
ALTER TABLE round ADD COLUMN epoch BIGINT;
CREATE SEQUENCE round_scored_order;
ALTER TABLE answer ADD COLUMN questions BYTEA;
ALTER TABLE answer ADD COLUMN request_headers JSONB;
ALTER TABLE answer ADD COLUMN signature TEXT;

-- Weights are committed, and revealed after the next step; an epoch is what led to one row.
ALTER TABLE weights ADD COLUMN state TEXT NOT NULL DEFAULT 'set'
    CHECK (state IN ('committed', 'revealed', 'set', 'refused', 'lost'));
UPDATE weights SET state = 'refused' WHERE error IS NOT NULL;
ALTER TABLE weights ADD COLUMN secret_id BIGINT REFERENCES secret (id);
ALTER TABLE weights ADD COLUMN rules JSONB;
ALTER TABLE weights ADD COLUMN own_uid INTEGER;
ALTER TABLE weights ADD COLUMN limit_u32 BIGINT;
ALTER TABLE weights ADD COLUMN present INTEGER[];
ALTER TABLE weights ADD COLUMN standings BYTEA;
CREATE UNIQUE INDEX weights_committed ON weights (state) WHERE state = 'committed';
