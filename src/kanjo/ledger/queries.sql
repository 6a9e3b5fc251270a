-- The statements of the posting path and of its neighbours. Locks are taken in the order of rule O-10; what a lock
-- protects is read in a later statement than the lock.

-- name: share_day
-- Held until commit: the date cannot change under a posting, and `day open` waits for it with a time-out.
-- No table is read whole: plans are made once, maybe while a table is still empty, and a scan that looked cheapest then
-- would go on while it grows, until statistics come.
-- What a commit waits for, and what the server's configuration demands, are of this very transaction.
SELECT pg_advisory_xact_lock_shared(%(lock)s), set_config('enable_seqscan', 'off', true),
  current_setting('synchronous_commit'), current_setting('kanjo.synchronous_commit', true)

-- name: begin
BEGIN

-- name: commit
COMMIT

-- name: make_commit_wait
-- A commit that writes nothing waits for nobody. What was read may be on this server only: its own commit's wait was
-- broken off, or never came to an end.
SELECT pg_logical_emit_message(true, 'kanjo', '') WHERE current_setting('synchronous_standby_names') <> ''

-- name: rollback
ROLLBACK

-- name: read_day
SELECT business_date FROM ledger.day

-- name: require_open
SELECT ledger.refuse_shut() FROM ledger.day WHERE shut

-- name: read_day_and_runs
-- Only runs that are not closed: finished days cost nothing. One row without a run when there is none. Shut doors fail it.
SELECT CASE WHEN shut THEN ledger.refuse_shut() ELSE business_date END, run, date, phase, priority, cancelled, originator
FROM ledger.day
LEFT JOIN ledger.run ON NOT closed

-- name: read_day_and_standing
-- The same behind the locks of accounts, and whether anything stuck or any expiring hold is there at all: nearly never,
-- so that their own statements are sent only then.
SELECT CASE WHEN shut THEN ledger.refuse_shut() ELSE business_date END, run, date, phase, priority, cancelled, originator,
  EXISTS (SELECT FROM ledger.stuck_item WHERE cell = %(cell)s AND account = ANY (%(accounts)s)),
  EXISTS (
    SELECT FROM ledger.hold
    WHERE cell = %(cell)s AND account = ANY (%(accounts)s) AND status = 1 AND expires_on < business_date
  )
FROM ledger.day
LEFT JOIN ledger.run ON NOT closed

-- name: accounts_of_requests
-- The accounts behind the originals that reversals name.
SELECT DISTINCT unnest(request.accounts)
FROM unnest(%(clients)s, %(keys)s) AS asked (client, key)
JOIN ledger.request USING (client, key)

-- name: accounts_of_holds
SELECT hold.account
FROM unnest(%(clients)s, %(keys)s) AS asked (client, key)
JOIN ledger.hold USING (client, key)

-- name: lock_accounts
-- Ascending, so that two postings never wait for each other in a ring. Rows are read as the lock found them, and where:
-- there they stay as long as the lock is held.
SELECT account, balance, held, floor, sequence, status, product, ctid
FROM ledger.account
WHERE cell = %(cell)s AND account = ANY (%(accounts)s)
ORDER BY account
FOR NO KEY UPDATE

-- name: lock_columns
-- The same lock for a worker's stretch, in columns: no row crosses the wire.
SELECT array_agg(account), array_agg(balance), array_agg(held), array_agg(floor), array_agg(sequence), array_agg(status)
FROM (
  SELECT account, balance, held, floor, sequence, status
  FROM ledger.account
  WHERE cell = %(cell)s AND account = ANY (%(accounts)s)
  ORDER BY account
  FOR NO KEY UPDATE
) AS locked

-- name: due_items
-- Account by account, run by run in O-1's order, so that an account with 100,000 pending items costs its neighbours in
-- the batch no more than `items_max` rows (O-8). Settled items are told by sub-selects: of a NOT EXISTS the planner makes a
-- join, and right after a load, without statistics, it read all results of the run for each account: 10 ms a look-up
-- instead of 0.02. Items of a run are settled in their order, so the look-up begins behind the last settled one, and an
-- account that had 100,000 of them is quick again; only what was withdrawn or failed (11, 12) may have open ones before.
SELECT pending.account, pending.run, pending.item, pending.kind, pending.amount, pending.customer
FROM unnest(%(accounts)s) AS asked (account)
CROSS JOIN LATERAL (
  SELECT item.account, item.run, item.item, item.kind, item.amount, item.customer, due.rank
  FROM unnest(%(runs)s, %(dates)s) WITH ORDINALITY AS due (run, date, rank)
  CROSS JOIN LATERAL (
    SELECT *
    FROM ledger.item
    WHERE cell = %(cell)s AND run = due.run AND account = asked.account AND date = due.date
      AND item > coalesce((
        SELECT result.item
        FROM ledger.result
        WHERE result.cell = %(cell)s AND result.run = due.run AND result.account = asked.account
          AND result.reason NOT IN (11, 12)
        ORDER BY result.item DESC
        LIMIT 1
      ), 0)
      AND (
        SELECT first_account <= asked.account AND asked.account <> ALL (beside)
        FROM ledger.span
        WHERE span.cell = %(cell)s AND span.run = due.run AND last_account >= asked.account
        ORDER BY last_account
        LIMIT 1
      ) IS NOT TRUE
      AND (
        SELECT true FROM ledger.result
        WHERE result.cell = item.cell AND result.run = item.run AND result.account = item.account
          AND result.item = item.item
      ) IS NULL
    ORDER BY item
    LIMIT %(items_max)s
  ) AS item
  ORDER BY due.rank, item.item
  LIMIT %(items_max)s
) AS pending
ORDER BY pending.account, pending.rank, pending.item

-- name: slice_items
-- The next items of a worker's slice, settled or not, in columns. No lock: items never change.
SELECT array_agg(account), array_agg(item), array_agg(kind), array_agg(amount)
FROM (
  SELECT account, item, kind, amount
  FROM ledger.item
  WHERE cell = %(cell)s AND run = %(run)s AND date = %(due)s AND account BETWEEN %(first)s AND %(last)s
  ORDER BY account, item
  LIMIT %(items_max)s
) AS next

-- name: slice_results
-- What Before, or an operator, settled of them.
SELECT array_agg(account), array_agg(item)
FROM ledger.result
WHERE cell = %(cell)s AND run = %(run)s AND account BETWEEN %(first)s AND %(last)s

-- name: slice_spans
-- Whether a worker was here before, because something was stuck.
SELECT count(*) FROM ledger.span
WHERE cell = %(cell)s AND run = %(run)s AND last_account >= %(first)s AND first_account <= %(last)s

-- name: accounts_with_others
-- Which of the stretch's accounts other runs name too, settled or not: a range of each of those runs.
SELECT DISTINCT other.account
FROM unnest(%(runs)s, %(dates)s) AS due (run, date)
CROSS JOIN LATERAL (
  SELECT account
  FROM ledger.item
  WHERE cell = %(cell)s AND run = due.run AND date = due.date AND account BETWEEN %(first)s AND %(last)s
) AS other
WHERE other.account = ANY (%(accounts)s)

-- name: asks_mandates
SELECT FROM ledger.mandate_list WHERE originator = %(originator)s AND from_date <= %(due)s

-- name: stuck_items
SELECT account, run, item FROM ledger.stuck_item WHERE cell = %(cell)s AND account = ANY (%(accounts)s)

-- name: mandates
-- As of the due date: a list loaded while D was open counts from the next date on (O-6).
SELECT asked.run, asked.item,
  CASE WHEN mandate.account IS NULL THEN 3 WHEN mandate.stopped THEN 2 ELSE 1 END
FROM unnest(%(runs)s, %(items)s, %(dates)s, %(originators)s, %(accounts)s, %(customers)s)
  AS asked (run, item, date, originator, account, customer)
JOIN ledger.mandate_list AS list ON list.originator = asked.originator AND list.from_date <= asked.date
LEFT JOIN ledger.mandate ON mandate.originator = asked.originator AND mandate.account = asked.account
  AND mandate.customer = asked.customer AND mandate.from_date <= asked.date
  AND (mandate.until_date IS NULL OR mandate.until_date > asked.date)

-- name: requests
-- Key by key (OFFSET 0 keeps it so): as a join it may begin at the table's end, when planned while that was empty.
SELECT found.*
FROM generate_subscripts(%(keys)s, 1) AS i
CROSS JOIN LATERAL (
  SELECT client, key, fingerprint, kind, reason, date, value_date, run, reference,
    debits, credits, amounts, accounts, sequences, balances
  FROM ledger.request
  WHERE request.client = (%(clients)s)[i] AND request.key = (%(keys)s)[i]
  OFFSET 0
) AS found

-- name: reversed
SELECT client, reference
FROM unnest(%(clients)s, %(keys)s) AS asked (client, reference)
JOIN ledger.request USING (client, reference)
WHERE kind = 4 AND reason = 0

-- name: holds
SELECT client, key, account, amount, expires_on, placed_on, status, captured, ended_on
FROM unnest(%(clients)s, %(keys)s) AS asked (client, key)
JOIN ledger.hold USING (client, key)

-- name: expiring_holds
SELECT client, key, account, amount, expires_on, placed_on, status, captured, ended_on
FROM ledger.hold
WHERE cell = %(cell)s AND account = ANY (%(accounts)s) AND status = 1
  AND expires_on < (SELECT business_date FROM ledger.day)
ORDER BY account, expires_on, placed_on, key

-- name: accounts_with_runs
SELECT DISTINCT account FROM ledger.run WHERE NOT closed AND account = ANY (%(accounts)s)

-- name: counted
-- Goes around one of the statements below that end a posting together with COMMIT. The function is called only to fail.
WITH written AS (
/* statement */
RETURNING true
)
SELECT ledger.require_written('/* name */', count, %(expected)s)
FROM (SELECT count(*) FROM written) AS counted
WHERE count <> %(expected)s

-- name: counted_together
-- Goes around the three that nearly every posting of a door writes: what each statement costs before its first row is
-- paid once.
WITH settled AS (
/* update_locked */
RETURNING true
), entered AS (
/* insert_request_entries */
RETURNING true
), decided AS (
/* insert_requests */
RETURNING true
)
SELECT ledger.require_written(name, count, expected)
FROM (
  SELECT 'update_locked', count(*), %(update_locked)s::bigint FROM settled
  UNION ALL
  SELECT 'insert_request_entries', count(*), %(insert_request_entries)s::bigint FROM entered
  UNION ALL
  SELECT 'insert_requests', count(*), %(insert_requests)s::bigint FROM decided
) AS counted (name, count, expected)
WHERE count <> expected

-- name: insert_accounts
INSERT INTO ledger.account (cell, account, balance, held, floor, sequence, status, product)
SELECT %(cell)s, *
FROM unnest(%(accounts)s, %(balances)s, %(helds)s, %(floors)s, %(sequences)s, %(statuses)s, %(products)s)

-- name: insert_holders
INSERT INTO ledger.holder (cell, account, name_kana)
SELECT %(cell)s, * FROM unnest(%(accounts)s, %(names)s)

-- name: update_accounts
-- No indexed column changes and pages have room, so the update is HOT. Naming the accounts twice lets every plan reach
-- them by the index, also one made while the table was empty.
UPDATE ledger.account
SET balance = new.balance, held = new.held, sequence = new.sequence
FROM unnest(%(accounts)s, %(balances)s, %(helds)s, %(sequences)s) AS new (account, balance, held, sequence)
WHERE account.cell = %(cell)s AND account.account = ANY (%(accounts)s) AND account.account = new.account

-- name: update_locked
-- The same for accounts whose lock told where they lie: no index is searched again. A worker's stretch is nearly a range,
-- and the index finds that sooner.
UPDATE ledger.account
SET balance = new.balance, held = new.held, sequence = new.sequence
FROM unnest(%(places)s, %(balances)s, %(helds)s, %(sequences)s) AS new (place, balance, held, sequence)
WHERE account.ctid = new.place

-- name: change_accounts
UPDATE ledger.account
SET status = new.status, floor = new.floor
FROM unnest(%(accounts)s, %(statuses)s, %(floors)s) AS new (account, status, floor)
WHERE account.cell = %(cell)s AND account.account = new.account

-- name: insert_item_entries
-- Elements are taken by their place: of so many columns unnest would first make a table each, a third of the price.
INSERT INTO ledger.entry (cell, date, contra, kind, account, sequence, amount, balance, run, item, value_date)
SELECT %(cell)s, %(date)s, %(contra)s, CASE WHEN (%(amounts)s)[i] > 0 THEN 11 ELSE 12 END, (%(accounts)s)[i],
  (%(sequences)s)[i], (%(amounts)s)[i], (%(balances)s)[i], (%(runs)s)[i], (%(items)s)[i], (%(value_dates)s)[i]
FROM generate_subscripts(%(accounts)s, 1) AS i

-- name: insert_request_entries
-- What an entry tells of its cause stands in the columns of the requests. A column of one value has one element.
INSERT INTO ledger.entry
  (cell, date, account, sequence, amount, balance, contra, kind, value_date, run, client, key)
SELECT %(cell)s, %(date)s, (%(entry_accounts)s)[i], (%(entry_sequences)s)[i], (%(entry_amounts)s)[i],
  (%(entry_balances)s)[i], coalesce((%(contras)s)[i], (%(contras)s)[1]), (%(kinds)s)[cause],
  coalesce((%(value_dates)s)[cause], (%(value_dates)s)[1]), nullif(coalesce((%(runs)s)[cause], (%(runs)s)[1]), 0),
  coalesce((%(clients)s)[cause], (%(clients)s)[1]), (%(keys)s)[cause]
FROM unnest(%(causes)s) WITH ORDINALITY AS entry (cause, i)

-- name: insert_internal_entries
INSERT INTO ledger.internal_entry (date, value_date, debit, credit, amount, run, client, key)
SELECT %(date)s, coalesce((%(value_dates)s)[cause], (%(value_dates)s)[1]), (%(debits)s)[i], (%(credits)s)[i],
  (%(amounts)s)[i], nullif(coalesce((%(runs)s)[cause], (%(runs)s)[1]), 0),
  coalesce((%(clients)s)[cause], (%(clients)s)[1]), (%(keys)s)[cause]
FROM unnest(%(causes)s) WITH ORDINALITY AS entry (cause, i)

-- name: insert_results
INSERT INTO ledger.result (cell, date, before, account, run, item, reason, sequence, balance)
SELECT %(cell)s, %(date)s, %(before)s, (%(accounts)s)[i], (%(runs)s)[i], (%(items)s)[i], (%(reasons)s)[i],
  (%(sequences)s)[i], (%(balances)s)[i]
FROM generate_subscripts(%(accounts)s, 1) AS i

-- name: insert_span
INSERT INTO ledger.span (cell, run, date, first_account, last_account, beside, items, credited, debited)
VALUES (%(cell)s, %(run)s, %(date)s, %(first)s, %(last)s, %(beside)s, %(items)s, %(credited)s, %(debited)s)

-- name: insert_requests
-- In key order (O-10). An array of arrays would have to be rectangular: each request takes its share of long ones,
-- which ends where the next one's begins; no ends are given when each has one. A column of one value has one element.
INSERT INTO ledger.request (date, client, key, fingerprint, kind, reason, value_date, run, reference,
  debits, credits, amounts, accounts, sequences, balances)
SELECT %(date)s, coalesce((%(clients)s)[i], (%(clients)s)[1]), (%(keys)s)[i], (%(fingerprints)s)[i], (%(kinds)s)[i],
  coalesce((%(reasons)s)[i], (%(reasons)s)[1]), coalesce((%(value_dates)s)[i], (%(value_dates)s)[1]),
  nullif(coalesce((%(runs)s)[i], (%(runs)s)[1]), 0), (%(references)s)[i],
  (%(debits)s)[movements:movement_end],
  (%(credits)s)[movements:movement_end],
  (%(amounts)s)[movements:movement_end],
  (%(touched_accounts)s)[touched:touch_end],
  (%(touched_sequences)s)[touched:touch_end],
  (%(touched_balances)s)[touched:touch_end]
FROM generate_subscripts(%(keys)s, 1) AS i
CROSS JOIN LATERAL (
  SELECT coalesce((%(movement_ends)s)[i - 1], i - 1) + 1 AS movements,
    coalesce((%(movement_ends)s)[i], i) AS movement_end,
    coalesce((%(touch_ends)s)[i - 1], i - 1) + 1 AS touched, coalesce((%(touch_ends)s)[i], i) AS touch_end
  OFFSET 0
) AS shares

-- name: insert_holds
INSERT INTO ledger.hold (cell, status, placed_on, account, amount, expires_on, client, key)
SELECT %(cell)s, 1, %(date)s, account, amount, expires_on, client, key
FROM unnest(%(accounts)s, %(amounts)s, %(expires)s::date[], %(clients)s, %(keys)s)
  AS new (account, amount, expires_on, client, key)

-- name: end_holds
UPDATE ledger.hold
SET status = new.status, captured = new.captured, ended_on = %(date)s
FROM unnest(%(statuses)s, %(captureds)s, %(clients)s, %(keys)s) AS new (status, captured, client, key)
WHERE hold.client = new.client AND hold.key = new.key AND hold.status = 1

-- name: mark_stuck
INSERT INTO ledger.stuck_item (cell, account, run, item, error)
VALUES (%(cell)s, %(account)s, %(run)s, %(item)s, %(error)s)
ON CONFLICT DO NOTHING

-- name: take_stuck
DELETE FROM ledger.stuck_item WHERE cell = %(cell)s AND run = %(run)s AND item = %(item)s RETURNING account

-- name: list_stuck
SELECT account, run, item, error FROM ledger.stuck_item WHERE run = ANY (%(runs)s) ORDER BY run, item

-- name: wait_shortly
SELECT set_config('lock_timeout', %(wait)s, true)

-- name: wait_and_hold
SELECT set_config('lock_timeout', '0', true), set_config('idle_in_transaction_session_timeout', %(silent)s, true)

-- name: take_day
-- Waits for the postings under way; those that come meanwhile wait behind it, so its time-out is short (O-10).
SELECT pg_advisory_xact_lock(%(lock)s), current_setting('synchronous_commit'),
  current_setting('kanjo.synchronous_commit', true)

-- name: switch_day
UPDATE ledger.day SET business_date = %(date)s

-- name: leave_room
-- Accounts are imported: from now on old versions are cleared at this mark (migration 0008 says why it is another one).
ALTER TABLE ledger.account SET (fillfactor = 55)

-- name: opening_entries
-- Accounts imported before the first date: their opening entry (C-6) bears that date.
INSERT INTO ledger.entry (cell, date, value_date, account, sequence, amount, balance, contra, kind)
SELECT cell, %(date)s, %(date)s, account, 1, balance, balance, 9000, 10
FROM ledger.account
WHERE sequence = 1
