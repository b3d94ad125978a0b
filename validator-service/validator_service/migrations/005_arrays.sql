-- A model is paid once, to who answers fastest; synergy needs no memory of pairs any more.

ALTER TABLE standing ADD COLUMN seconds_total DOUBLE PRECISION NOT NULL DEFAULT 0;
ALTER TABLE standing ADD COLUMN seconds_weight DOUBLE PRECISION NOT NULL DEFAULT 0;
DROP TABLE pair;
