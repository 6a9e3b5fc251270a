-- By run and then by account: a worker reads its stretch of items, and what became of them, as one range of each; a door
-- looks up its accounts in each run that is due.
ALTER TABLE ledger.item DROP CONSTRAINT item_pkey;
ALTER TABLE ledger.item ADD PRIMARY KEY (cell, run, account, item, date);

-- The one outcome of an item, and what it was decided on (O-2): of every item but those that a span stands for.
ALTER TABLE ledger.result RENAME TO result_by_item;
ALTER TABLE ledger.result_by_item RENAME CONSTRAINT result_pkey TO result_by_item_pkey;
CREATE TABLE ledger.result (
  account bigint NOT NULL,
  sequence bigint NOT NULL,
  balance bigint NOT NULL,
  run integer NOT NULL,
  item integer NOT NULL,
  date date NOT NULL,
  cell smallint NOT NULL,
  reason smallint NOT NULL,
  before boolean NOT NULL,
  PRIMARY KEY (cell, run, account, item)
);
INSERT INTO ledger.result (cell, account, run, item, date, before, reason, sequence, balance)
SELECT cell, item.account, run, item, result.date, before, reason, sequence, balance
FROM ledger.result_by_item AS result
JOIN ledger.item USING (cell, run, item);
DROP TABLE ledger.result_by_item;

-- A worker's commit on one run: all items of these accounts, but of those in `beside`, are settled, and each that has no
-- row in ledger.result was accepted by it; its entry says the rest. Spans of a run never share an account.
CREATE TABLE ledger.span (
  first_account bigint NOT NULL,
  last_account bigint NOT NULL CHECK (last_account >= first_account),
  credited bigint NOT NULL CHECK (credited >= 0),
  debited bigint NOT NULL CHECK (debited >= 0),
  run integer NOT NULL,
  items integer NOT NULL CHECK (items >= 0),
  date date NOT NULL,
  cell smallint NOT NULL,
  beside bigint[] NOT NULL,
  PRIMARY KEY (cell, run, last_account)
);

-- Items that a span stands for. The first span of the run that ends at the item's account or behind it is found for all
-- items in one sorted pass: this is for those who read whole tables; a posting looks up the one span it needs.
CREATE VIEW ledger.item_in_span AS
SELECT placed.cell, placed.run, placed.account, placed.item, placed.kind, placed.amount, span.date, span.last_account
FROM (
  SELECT cell, run, account, item, kind, amount,
    min(last_account) OVER (PARTITION BY cell, run ORDER BY account DESC, item IS NOT NULL) AS last_account
  FROM (
    SELECT cell, run, account, item, kind, amount, NULL::bigint AS last_account FROM ledger.item
    UNION ALL
    SELECT cell, run, last_account, NULL, NULL, NULL, last_account FROM ledger.span
  ) AS side
) AS placed
JOIN ledger.span USING (cell, run, last_account)
LEFT JOIN ledger.result USING (cell, run, account, item)
WHERE placed.item IS NOT NULL AND result.run IS NULL
  AND span.first_account <= placed.account AND placed.account <> ALL (span.beside);

-- Every item that has an outcome, whichever way it is kept: what was decided, when, and on what.
CREATE VIEW ledger.outcome AS
SELECT cell, account, run, item, date, before, reason, sequence, balance
FROM ledger.result
UNION ALL
SELECT accepted.cell, accepted.account, accepted.run, accepted.item, accepted.date, false, 0::smallint,
  entry.sequence - 1, entry.balance - entry.amount
FROM ledger.item_in_span AS accepted
LEFT JOIN ledger.entry USING (cell, run, item);

GRANT SELECT, INSERT ON ledger.result, ledger.span TO kanjo_service;
GRANT SELECT ON ledger.item_in_span, ledger.outcome TO kanjo_service;

-- A kept record knows the account of the item that it became; 0 for an account of another bank.
ALTER TABLE transfers.record ADD account bigint NOT NULL DEFAULT 0;
UPDATE transfers.record
SET account = item.account
FROM ledger.item
WHERE item.cell = record.cell AND item.run = record.run AND item.item = record.item;
ALTER TABLE transfers.record ALTER account DROP DEFAULT;

-- Law 1 inside of a round trip that ends with COMMIT: a statement that wrote fewer or more rows than it was given fails.
CREATE FUNCTION ledger.require_written(statement text, written bigint, expected bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  IF written <> expected THEN
    RAISE EXCEPTION 'law 1: % wrote % rows, expected %', statement, written, expected USING ERRCODE = 'KJ002';
  END IF;
END
$$;
