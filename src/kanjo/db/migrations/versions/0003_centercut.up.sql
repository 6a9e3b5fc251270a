-- The centre cut: what a run is besides the facts of order, which are the ledger's.
CREATE SCHEMA centercut;

-- `started`: workers may claim its slices. `finished`: completed or cancelled, and closed (R-1, R-2).
CREATE TABLE centercut.run (
  run integer PRIMARY KEY REFERENCES ledger.run (run),
  business text NOT NULL,
  digest text NOT NULL,
  reference text NOT NULL DEFAULT '',
  items integer NOT NULL DEFAULT 0,
  amount bigint NOT NULL DEFAULT 0,
  other_bank_items integer NOT NULL DEFAULT 0,
  other_bank_amount bigint NOT NULL DEFAULT 0,
  funded bigint NOT NULL DEFAULT 0,
  detail jsonb NOT NULL DEFAULT '{}',
  started boolean NOT NULL DEFAULT false,
  paused boolean NOT NULL DEFAULT false,
  finished text CHECK (finished IN ('completed', 'cancelled')),
  note text NOT NULL DEFAULT '',
  claimed_at timestamptz,
  finished_at timestamptz
);
CREATE INDEX run_digest ON centercut.run (digest);
CREATE INDEX run_unfinished ON centercut.run (run) WHERE finished IS NULL;

-- A range of accounts of a run; the row lock is the claim (design 4). All before `next_account` are settled.
CREATE TABLE centercut.slice (
  first_account bigint NOT NULL,
  next_account bigint NOT NULL,
  last_account bigint NOT NULL,
  run integer NOT NULL REFERENCES centercut.run (run),
  slice integer NOT NULL,
  items integer NOT NULL,
  cell smallint NOT NULL,
  done boolean NOT NULL DEFAULT false,
  PRIMARY KEY (cell, run, slice)
) WITH (fillfactor = 50);
CREATE INDEX slice_open ON centercut.slice (cell, run, slice) WHERE NOT done;

GRANT USAGE ON SCHEMA centercut TO kanjo_service;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA centercut TO kanjo_service;
