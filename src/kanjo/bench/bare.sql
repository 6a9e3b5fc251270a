-- What a posting costs at the very least on the ledger's own tables and indexes: no lock pass, no decision, no outcome.

-- name: move_bare
WITH moved AS (
  UPDATE ledger.account
  SET balance = balance + 1000, sequence = sequence + 1
  WHERE cell = 0 AND account BETWEEN %(first)s AND %(last)s
  RETURNING account, sequence, balance
)
INSERT INTO ledger.entry (cell, date, value_date, account, sequence, amount, balance, contra, kind, run, item)
SELECT 0, %(date)s, %(date)s, account, sequence, 1000, balance, %(contra)s, %(kind)s, 0, 1
FROM moved
