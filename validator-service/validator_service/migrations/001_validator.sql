-- Rounds: what was asked, what was answered, what it is worth. Scoring a round twice changes nothing.

CREATE TABLE secret (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    value TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE TABLE round (
    id TEXT PRIMARY KEY,
    number BIGINT NOT NULL UNIQUE,
    height BIGINT NOT NULL,
    block_hash TEXT NOT NULL,
    secret_id BIGINT NOT NULL REFERENCES secret (id),
    state TEXT NOT NULL DEFAULT 'asking' CHECK (state IN ('asking', 'asked', 'scored', 'parked')),
    attempts INTEGER NOT NULL DEFAULT 1,
    touched_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX round_unfinished ON round (number) WHERE state IN ('asking', 'asked');

CREATE TABLE answer (
    id TEXT PRIMARY KEY,
    round_id TEXT NOT NULL REFERENCES round (id) ON DELETE CASCADE,
    uid INTEGER NOT NULL,
    hotkey TEXT NOT NULL,
    code TEXT NOT NULL,
    seconds DOUBLE PRECISION NOT NULL,
    body BYTEA
);
CREATE INDEX answer_round ON answer (round_id);

CREATE TABLE standing (
    uid INTEGER PRIMARY KEY,
    hotkey TEXT NOT NULL,
    loss_total DOUBLE PRECISION NOT NULL,
    loss_weight DOUBLE PRECISION NOT NULL,
    score_total DOUBLE PRECISION NOT NULL,
    score_weight DOUBLE PRECISION NOT NULL,
    rounds BIGINT NOT NULL
);

CREATE TABLE pair (
    low_uid INTEGER NOT NULL,
    high_uid INTEGER NOT NULL,
    low_total DOUBLE PRECISION NOT NULL,
    low_weight DOUBLE PRECISION NOT NULL,
    high_total DOUBLE PRECISION NOT NULL,
    high_weight DOUBLE PRECISION NOT NULL,
    joint_total DOUBLE PRECISION NOT NULL,
    joint_weight DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (low_uid, high_uid),
    CHECK (low_uid < high_uid)
);

CREATE TABLE tally (
    kind TEXT NOT NULL,
    code TEXT NOT NULL,
    total BIGINT NOT NULL,
    PRIMARY KEY (kind, code)
);

CREATE TABLE weights (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    height BIGINT NOT NULL,
    uids INTEGER[] NOT NULL,
    "values" BIGINT[] NOT NULL,
    error TEXT,
    set_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
