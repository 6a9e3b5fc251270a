-- The trial balance: bulk reads of one moment, each table once.

-- name: product_balances
-- What customers have, as they see it; credit is positive.
SELECT product, sum(balance)::bigint
FROM ledger.account
GROUP BY product
ORDER BY product

-- name: product_turnover
-- The business date's entries by product: (product, debit, credit).
SELECT account.product, coalesce(-sum(entry.amount) FILTER (WHERE entry.amount < 0), 0)::bigint,
  coalesce(sum(entry.amount) FILTER (WHERE entry.amount > 0), 0)::bigint
FROM ledger.entry
JOIN ledger.account USING (cell, account)
WHERE entry.date = %(date)s
GROUP BY account.product

-- name: code_totals
-- The bank's side of a customer's entry is its contra: a credit to a customer debits the code. Per code: what it was
-- debited and credited in all, and on the business date.
SELECT code, sum(debit)::bigint, sum(credit)::bigint,
  coalesce(sum(debit) FILTER (WHERE date = %(date)s), 0)::bigint,
  coalesce(sum(credit) FILTER (WHERE date = %(date)s), 0)::bigint
FROM (
  SELECT contra AS code, date, coalesce(sum(amount) FILTER (WHERE amount > 0), 0) AS debit,
    coalesce(-sum(amount) FILTER (WHERE amount < 0), 0) AS credit
  FROM ledger.entry
  WHERE contra < %(account_min)s
  GROUP BY contra, date
  UNION ALL
  SELECT debit, date, amount, 0 FROM ledger.internal_entry
  UNION ALL
  SELECT credit, date, 0, amount FROM ledger.internal_entry
) AS movement
GROUP BY code
ORDER BY code

-- name: opening_to_come
-- Before the first date opens, imported balances have no entry yet: what the opening code will be debited (C-6).
SELECT coalesce(sum(balance), 0)::bigint FROM ledger.account WHERE sequence = 1
