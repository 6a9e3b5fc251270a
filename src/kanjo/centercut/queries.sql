-- The statements of the centre cut. Money and items are the ledger's; here are runs, slices and claims.

-- name: lock_digest
-- Two loads of one file at once: the second waits here and then finds the first (R-4).
SELECT pg_advisory_xact_lock(hashtextextended(%(digest)s, 0))

-- name: find_digest
SELECT run.run
FROM centercut.run
JOIN ledger.run AS facts USING (run)
WHERE run.digest = %(digest)s AND NOT facts.cancelled AND run.run <> %(run)s
ORDER BY run.run
LIMIT 1

-- name: find_alike
-- Same originator, date and total with other content: worth a warning (R-4).
SELECT run.run
FROM centercut.run
JOIN ledger.run AS facts USING (run)
WHERE run.reference = %(reference)s AND facts.date = %(due)s AND run.business = %(business)s
  AND run.amount + run.other_bank_amount = %(amount)s AND NOT facts.cancelled AND run.run <> %(run)s
ORDER BY run.run
LIMIT 1

-- name: register_facts
INSERT INTO ledger.run (date, phase, priority, registered_on, registered_at, originator, account)
VALUES (%(due)s, %(phase)s, %(priority)s, %(registered_on)s, %(registered_at)s, %(originator)s, %(account)s)
RETURNING run

-- name: register_run
INSERT INTO centercut.run (run, business, digest, reference, detail)
VALUES (%(run)s, %(business)s, '', %(reference)s, %(detail)s)

-- name: end_loading
UPDATE centercut.run
SET digest = %(digest)s, items = %(items)s, amount = %(amount_yen)s, other_bank_items = %(other_bank_items)s,
  other_bank_amount = %(other_bank_amount_yen)s, funded = %(funded_yen)s, detail = %(detail)s
WHERE run = %(run)s

-- name: make_slices
-- Ranges of accounts with about `items_max` items each; an account is never split over slices.
INSERT INTO centercut.slice (cell, run, slice, first_account, next_account, last_account, items)
SELECT %(cell)s, %(run)s, row_number() OVER (ORDER BY min(account)), min(account), min(account), max(account), sum(items)
FROM (
  SELECT account, items, div(sum(items) OVER (ORDER BY account) - items, %(items_max)s) AS part
  FROM (
    SELECT account, count(*) AS items
    FROM ledger.item
    WHERE cell = %(cell)s AND run = %(run)s AND date = %(due)s
    GROUP BY account
  ) AS counted
) AS parted
GROUP BY part

-- name: claim
-- The claim is the row lock: it ends with this transaction, whatever happens to the worker (design 4).
SELECT slice.run, slice.slice, slice.next_account, slice.last_account, slice.items, facts.date,
  run.claimed_at IS NULL
FROM centercut.slice
JOIN centercut.run USING (run)
JOIN ledger.run AS facts USING (run)
WHERE slice.cell = %(cell)s AND NOT slice.done
  AND (%(runs)s::integer[] IS NULL OR slice.run = ANY (%(runs)s))
  AND (
    facts.cancelled
    OR run.started AND NOT run.paused AND facts.date <= (SELECT business_date FROM ledger.day)
  )
ORDER BY facts.cancelled, facts.phase <> 1, facts.date, facts.priority, slice.run, slice.slice
LIMIT 1
FOR UPDATE OF slice SKIP LOCKED

-- name: first_claim
-- Several workers begin at once: whoever finds the row taken leaves it, instead of waiting for the other's whole slice.
UPDATE centercut.run
SET claimed_at = %(at)s
WHERE run = (SELECT run FROM centercut.run WHERE run = %(run)s AND claimed_at IS NULL FOR UPDATE SKIP LOCKED)

-- name: advance_slice
UPDATE centercut.slice SET next_account = %(next_account)s WHERE cell = %(cell)s AND run = %(run)s AND slice = %(slice)s

-- name: released_runs
-- Runs whose items workers may settle besides all that is due: early and in-business ones that are started, and what
-- is left of cancelled ones.
SELECT run.run
FROM centercut.run
JOIN ledger.run AS facts USING (run)
WHERE run.finished IS NULL
  AND (
    facts.cancelled
    OR facts.phase <> 1 AND run.started AND NOT run.paused AND facts.date <= (SELECT business_date FROM ledger.day)
  )

-- name: end_slice
UPDATE centercut.slice SET done = true WHERE cell = %(cell)s AND run = %(run)s AND slice = %(slice)s

-- name: reopen_slices
-- After a stuck item got its outcome: what waited behind it may lie in slices that are done, or that went past it.
UPDATE centercut.slice
SET done = false, next_account = %(account)s
FROM centercut.run
WHERE run.run = slice.run AND run.finished IS NULL AND slice.cell = %(cell)s
  AND (slice.done OR slice.next_account > %(account)s)
  AND %(account)s BETWEEN slice.first_account AND slice.last_account

-- name: open_slices
SELECT count(*) FROM centercut.slice WHERE cell = %(cell)s AND run = %(run)s AND NOT done

-- name: wait_for_slices
-- Waits for those who hold one of them; what they have done meanwhile is seen.
SELECT slice FROM centercut.slice WHERE cell = %(cell)s AND run = %(run)s AND NOT done ORDER BY slice FOR UPDATE

-- name: lock_run
SELECT FROM centercut.run WHERE run = %(run)s FOR UPDATE

-- name: rows
SELECT run.run, run.business, facts.date, facts.phase, facts.priority, facts.cancelled, facts.account, facts.originator,
  run.digest, run.reference, run.items, run.amount, run.other_bank_items, run.other_bank_amount, run.funded, run.detail,
  run.started, run.paused, run.finished, run.note, run.claimed_at, run.finished_at
FROM centercut.run
JOIN ledger.run AS facts USING (run)
WHERE (%(runs)s::integer[] IS NULL OR run.run = ANY (%(runs)s)) AND (NOT %(unfinished)s OR run.finished IS NULL)
ORDER BY run.run

-- name: counts
-- For a live view: spans stand for most items, rows for the others.
SELECT run, sum(items), sum(accepted), sum(before)
FROM (
  SELECT run, items, items AS accepted, 0 AS before
  FROM ledger.span
  WHERE cell = %(cell)s AND run = ANY (%(runs)s)
  UNION ALL
  SELECT run, 1, CASE WHEN reason = 0 THEN 1 ELSE 0 END, CASE WHEN before THEN 1 ELSE 0 END
  FROM ledger.result
  WHERE cell = %(cell)s AND run = ANY (%(runs)s)
) AS settled
GROUP BY run

-- name: totals
-- For closing: what spans say, and the items of the results. LATERAL with OFFSET fixes the way of the join, an item by its
-- key for each result: before the tables are analyzed the planner may choose result by result of all.
SELECT coalesce(sum(items), 0), coalesce(sum(accepted), 0), coalesce(sum(credited + debited), 0),
  coalesce(sum(items - accepted), 0), coalesce(sum(refused_yen), 0), coalesce(sum(before), 0),
  coalesce(sum(credited), 0), coalesce(sum(debited), 0)
FROM (
  SELECT items, items AS accepted, credited, debited, 0 AS refused_yen, 0 AS before
  FROM ledger.span
  WHERE cell = %(cell)s AND run = %(run)s
  UNION ALL
  SELECT 1, CASE WHEN reason = 0 THEN 1 ELSE 0 END,
    CASE WHEN reason = 0 AND item.kind = 1 THEN item.amount ELSE 0 END,
    CASE WHEN reason = 0 AND item.kind = 2 THEN item.amount ELSE 0 END,
    CASE WHEN reason <> 0 THEN item.amount ELSE 0 END,
    CASE WHEN before THEN 1 ELSE 0 END
  FROM ledger.result
  CROSS JOIN LATERAL (
    SELECT kind, amount
    FROM ledger.item
    WHERE item.cell = result.cell AND item.run = result.run AND item.account = result.account
      AND item.item = result.item AND item.date = %(due)s
    OFFSET 0
  ) AS item
  WHERE result.cell = %(cell)s AND result.run = %(run)s
) AS settled

-- name: item
SELECT item.account, item.run, item.item, item.kind, item.amount, item.customer,
  coalesce(result.reason, CASE WHEN span.stands THEN 0 END)
FROM ledger.item
LEFT JOIN ledger.result USING (cell, run, account, item)
LEFT JOIN LATERAL (
  SELECT first_account <= item.account AND item.account <> ALL (beside) AS stands
  FROM ledger.span
  WHERE span.cell = item.cell AND span.run = item.run AND last_account >= item.account
  ORDER BY last_account
  LIMIT 1
) AS span ON true
WHERE item.cell = %(cell)s AND item.run = %(run)s AND item.date = %(due)s AND item.item = %(item)s

-- name: set_started
-- Shut doors fail it: workers could settle nothing.
UPDATE centercut.run SET started = true
FROM ledger.day
WHERE run = ANY (%(runs)s) AND CASE WHEN day.shut THEN ledger.refuse_shut() ELSE day.business_date END IS NOT NULL

-- name: set_paused
UPDATE centercut.run SET paused = %(paused)s WHERE run = %(run)s

-- name: set_cancelled
UPDATE ledger.run SET cancelled = true WHERE run = %(run)s

-- name: set_closed
UPDATE ledger.run SET closed = true WHERE run = %(run)s

-- name: set_finished
UPDATE centercut.run SET finished = %(finished)s, finished_at = %(at)s, note = %(note)s WHERE run = %(run)s

-- name: set_detail
UPDATE centercut.run SET detail = detail || %(detail)s WHERE run = %(run)s
