-- The statement of one account.

-- name: entries_after
-- By the primary key in every partition, so a page costs the same however long the account's history is.
SELECT sequence, date, value_date, kind, amount, balance, contra, run, item, key
FROM ledger.entry
WHERE cell = %(cell)s AND account = %(account)s AND sequence > %(after)s AND date <= %(until)s
ORDER BY sequence
LIMIT %(limit)s

-- name: standing_at_end_of
-- Where the account stood when a closed date ended: no row when it is unknown, zeros when it had no entry yet. Booking
-- dates never fall as sequences rise, so the last entry by the key is the last of the date too.
SELECT coalesce(last.sequence, 0), coalesce(last.balance, 0)
FROM ledger.account
LEFT JOIN LATERAL (
  SELECT sequence, balance
  FROM ledger.entry
  WHERE cell = %(cell)s AND account = %(account)s AND date <= %(until)s
  ORDER BY sequence DESC
  LIMIT 1
) AS last ON true
WHERE account.cell = %(cell)s AND account.account = %(account)s
