-- What is watched: how often the author changed, and for how long an event waits to be told.
ALTER TABLE author ADD COLUMN terms BIGINT NOT NULL DEFAULT 1;
ALTER TABLE outbox ADD COLUMN recorded_at TIMESTAMPTZ NOT NULL DEFAULT now();
