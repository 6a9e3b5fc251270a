-- Accounts in and out of files (C-6, design 9).

-- name: known_accounts
SELECT account
FROM ledger.account
WHERE cell = %(cell)s AND account = ANY (%(accounts)s)
ORDER BY account

-- name: insert_opening_entries
-- Entry 1 of accounts imported while a date is open; before the first date `day open` makes them.
INSERT INTO ledger.entry (cell, date, value_date, account, sequence, amount, balance, contra, kind)
SELECT %(cell)s, %(date)s, %(date)s, account, 1, balance, balance, %(contra)s, %(kind)s
FROM unnest(%(accounts)s, %(balances)s) AS new (account, balance)
WHERE balance <> 0

-- name: accounts_to_export
SELECT account.account, account.product, account.balance, account.floor, account.status, holder.name_kana
FROM ledger.account
LEFT JOIN ledger.holder USING (cell, account)
ORDER BY account.account

-- name: count_pending
-- C-5: bulk views do not settle; they say how many items are due and unsettled.
SELECT count(*)
FROM ledger.run
JOIN ledger.day ON run.date <= day.business_date
JOIN ledger.item ON item.run = run.run AND item.date = run.date
WHERE run.phase = 1 AND NOT run.closed AND NOT run.cancelled
  AND NOT EXISTS (
    SELECT FROM ledger.result
    WHERE result.cell = item.cell AND result.run = item.run AND result.account = item.account AND result.item = item.item
  )
  AND (
    SELECT first_account <= item.account AND item.account <> ALL (beside)
    FROM ledger.span
    WHERE span.cell = item.cell AND span.run = item.run AND last_account >= item.account
    ORDER BY last_account
    LIMIT 1
  ) IS NOT TRUE

-- name: any_account_or_run
SELECT FROM ledger.account
UNION ALL
SELECT FROM ledger.run
LIMIT 1
