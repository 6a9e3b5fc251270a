DROP FUNCTION ledger.require_written;
ALTER TABLE transfers.record DROP account;
CREATE TEMPORARY TABLE kept ON COMMIT DROP AS
SELECT cell, run, item, date, before, reason, sequence, balance FROM ledger.outcome;
DROP VIEW ledger.outcome, ledger.item_in_span;
DROP TABLE ledger.span;
DROP TABLE ledger.result;
CREATE TABLE ledger.result (
  sequence bigint NOT NULL,
  balance bigint NOT NULL,
  run integer NOT NULL,
  item integer NOT NULL,
  date date NOT NULL,
  cell smallint NOT NULL,
  reason smallint NOT NULL,
  before boolean NOT NULL,
  PRIMARY KEY (cell, run, item)
);
INSERT INTO ledger.result (cell, run, item, date, before, reason, sequence, balance)
SELECT cell, run, item, date, before, reason, sequence, balance FROM kept;
GRANT SELECT, INSERT ON ledger.result TO kanjo_service;
ALTER TABLE ledger.item DROP CONSTRAINT item_pkey;
ALTER TABLE ledger.item ADD PRIMARY KEY (cell, account, run, item, date);
