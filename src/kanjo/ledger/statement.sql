-- The statement of one account.

-- name: entries_after
-- By the primary key in every partition, so a page costs the same however long the account's history is.
SELECT sequence, date, value_date, kind, amount, balance, contra, run, item, key
FROM ledger.entry
WHERE cell = %(cell)s AND account = %(account)s AND sequence > %(after)s
ORDER BY sequence
LIMIT %(limit)s
