-- A chain under load: what is written for each extrinsic and at each step is lean, and is read as
-- it lies there.

-- Amounts fit 63 bits: there are at most 2.1e16 rao. A changed balance stays on its page.
ALTER TABLE account ALTER COLUMN free_rao TYPE BIGINT;
ALTER TABLE account SET (fillfactor = 70);

-- JSON is kept as it is told: reading a block joins texts.
ALTER TABLE extrinsic ALTER COLUMN body TYPE JSON, ALTER COLUMN fee_rao TYPE BIGINT;
ALTER TABLE event ALTER COLUMN body TYPE JSON;

-- The author reads what intake has checked, and checks nothing again.
DROP TABLE mempool;
CREATE TABLE mempool (
    sequence BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    signer TEXT NOT NULL,
    nonce BIGINT NOT NULL,
    fee_rao BIGINT NOT NULL CHECK (fee_rao >= 0),
    length INTEGER NOT NULL,
    body JSON NOT NULL,
    UNIQUE (signer, nonce)
);

-- Who stands behind which neuron: a payout writes the rows it changes, and no index.
CREATE TABLE stake (
    coldkey TEXT NOT NULL,
    uid INTEGER NOT NULL,
    stake_rao BIGINT NOT NULL CHECK (stake_rao > 0),
    PRIMARY KEY (coldkey, uid)
) WITH (fillfactor = 70);
CREATE INDEX stake_of_neuron ON stake (uid);
DROP INDEX neuron_stakes;
ALTER TABLE neuron DROP COLUMN stakes_rao;
ALTER TABLE neuron SET (fillfactor = 50);

-- A row of a matrix is packed: its uids as 4, then its values as 8 little-endian bytes each. It is
-- not compressed, as its digits are noise.
DROP TABLE weights, bonds;
CREATE TABLE weights (uid INTEGER PRIMARY KEY, packed BYTEA NOT NULL);
CREATE TABLE bonds (uid INTEGER PRIMARY KEY, packed BYTEA NOT NULL);
ALTER TABLE weights ALTER COLUMN packed SET STORAGE EXTERNAL;
ALTER TABLE bonds ALTER COLUMN packed SET STORAGE EXTERNAL;

-- An event as it is told, and the addresses it is about.
CREATE FUNCTION accounts_of(body JSON) RETURNS TEXT[] LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
    array_remove(ARRAY[body ->> 'sender', body ->> 'receiver', body ->> 'coldkey',
        body ->> 'hotkey', body ->> 'new_hotkey'], NULL);
CREATE VIEW told_event AS
    SELECT height, index, kind, accounts_of(body) AS accounts,
        '{"height":' || height || ',"index":' || index || ',"extrinsic_index":'
            || coalesce(extrinsic_index::text, 'null') || ',"kind":"' || kind || '",'
            || substr(body::text, 2) AS told
    FROM event;
CREATE INDEX event_of_network ON event (height) WHERE kind <> 'Transferred';
