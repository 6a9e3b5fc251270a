-- Mandate lists (口座振替依頼): what a payer has allowed an originator, by date (O-6).

-- name: take_lists
-- Makes the lists that are new and locks them all, ascending: two files of one originator come one after the other.
-- A list counts from the first date it was loaded for; that never changes.
INSERT INTO ledger.mandate_list (originator, from_date)
SELECT originator, %(from_date)s
FROM unnest(%(originators)s) AS new (originator)
ORDER BY originator
ON CONFLICT (originator) DO UPDATE SET from_date = mandate_list.from_date

-- name: undo_begun
-- Loaded again for the same date: what the earlier load began is forgotten, ...
DELETE FROM ledger.mandate
WHERE originator = ANY (%(originators)s) AND from_date = %(from_date)s

-- name: undo_ended
-- ... and what it ended goes on.
UPDATE ledger.mandate
SET until_date = NULL
WHERE originator = ANY (%(originators)s) AND until_date = %(from_date)s

-- name: current_mandates
SELECT originator, customer, account, stopped, from_date
FROM ledger.mandate
WHERE originator = ANY (%(originators)s) AND until_date IS NULL

-- name: end_mandates
UPDATE ledger.mandate
SET until_date = %(until_date)s
FROM unnest(%(originators)s, %(customers)s, %(accounts)s, %(from_dates)s)
  AS ended (originator, customer, account, from_date)
WHERE mandate.originator = ended.originator AND mandate.account = ended.account
  AND mandate.customer = ended.customer AND mandate.from_date = ended.from_date

-- name: begin_mandates
INSERT INTO ledger.mandate (from_date, originator, customer, account, stopped)
SELECT %(from_date)s, originator, customer, account, stopped
FROM unnest(%(originators)s, %(customers)s, %(accounts)s, %(stoppeds)s)
  AS begun (originator, customer, account, stopped)
