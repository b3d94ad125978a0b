-- Blocks that anybody can check: each names its author, who signs it, and its state root stands for
-- every account and neuron. A chain without them can't be verified, so it can't go on either.
DO $$ BEGIN
    IF EXISTS (SELECT FROM genesis) THEN
        RAISE EXCEPTION 'this chain was made before blocks were signed; start a new one in an empty '
            'database (the embedded default: taonet down, then remove its data directory)';
    END IF;
END $$;

ALTER TABLE block
    ADD COLUMN author TEXT NOT NULL,
    ADD COLUMN signature TEXT NOT NULL;

-- A block and all it holds are written in one transaction by one writer: a reference would only be
-- looked up again for every row, which costs a follower a third of its speed.
ALTER TABLE extrinsic DROP CONSTRAINT extrinsic_height_fkey;
ALTER TABLE event DROP CONSTRAINT event_height_fkey;

-- The leaf of an account in the Merkle tree, for ever.
ALTER TABLE account ADD COLUMN slot BIGINT NOT NULL UNIQUE CHECK (slot >= 0);

-- What the neuron's fields, weights and bonds hash to.
ALTER TABLE neuron ADD COLUMN leaf_hash BYTEA NOT NULL;

-- Each 4096 accounts' subtree, so that a proof needs to read no more accounts than those.
CREATE TABLE account_page (
    page INTEGER PRIMARY KEY,
    hash BYTEA NOT NULL
);

-- Why a follower stopped; it stays stopped while this is here.
CREATE TABLE halt (
    single BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (single),
    height BIGINT NOT NULL,
    reason TEXT NOT NULL,
    halted_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
