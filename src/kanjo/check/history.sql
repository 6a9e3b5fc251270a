-- What the ledger stores about the requests and accounts of a history (rule O-2). Dates are counted as Python counts them:
-- 0001-01-01 is day 1.

-- name: stored_requests
-- Of the history's clients all; of others what joins several
-- accounts, for order passes through it from one to another, or makes several entries, for nothing stands between them.
SELECT client, key, fingerprint, kind, reason, date, value_date, debits, credits, amounts, accounts, sequences, balances
FROM ledger.request
WHERE client = ANY (%(clients)s) OR cardinality(accounts) > 1 OR cardinality(amounts) > 1

-- name: stored_causes
-- The entries that the history's clients caused.
SELECT client, key, account, sequence, amount, balance
FROM ledger.entry
WHERE client = ANY (%(clients)s)
ORDER BY account, sequence

-- name: stored_entries
-- The whole chain of each account that the history names.
SELECT account, sequence, balance, date - '0001-01-01'::date + 1
FROM ledger.entry
JOIN unnest(%(accounts)s::bigint[]) AS named (account) USING (account)
ORDER BY account, sequence

-- name: stored_items
-- The pre-business items that must stand before online on these accounts, and where they stand. Left out, as laws.sql
-- leaves them out: what a cancelled run leaves.
SELECT item.account, item.date - '0001-01-01'::date + 1,
  coalesce(result.sequence + CASE WHEN result.reason = %(accepted)s THEN 1 ELSE 0 END, -1), item.run, item.item
FROM ledger.item
JOIN unnest(%(accounts)s::bigint[]) AS named (account) USING (account)
JOIN ledger.run AS facts ON facts.run = item.run
LEFT JOIN ledger.outcome AS result ON result.cell = item.cell AND result.run = item.run AND result.item = item.item
WHERE facts.phase = %(pre_business)s
  AND CASE
    WHEN result.run IS NULL OR result.reason IN (%(withdrawn)s, %(failed)s) THEN NOT facts.cancelled
    ELSE result.reason <> %(cancelled)s
  END
ORDER BY item.account, item.date
