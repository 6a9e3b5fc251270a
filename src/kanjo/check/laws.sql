-- Laws 1 to 3 proved from rows (rule K-1). A block named law_N_... yields one row for each thing it judges, and `broken`:
-- true, or unknown, when the law is broken there. Whole tables are hashed or sorted once; nothing is looked up row by row.
-- Constants come by name from the ledger's own enumerations: kind_..., code_..., reason_..., hold_...

-- name: tally
-- What is unknown counts as broken: a row that a law cannot judge is not proved.
SELECT count(*), count(*) FILTER (WHERE broken IS NOT FALSE)
FROM ({judged}) AS judged

-- name: offenders
-- Asked only when the tally found some.
SELECT *
FROM ({judged}) AS judged
WHERE broken IS NOT FALSE
LIMIT {shown_max}

-- name: stuck
-- No broken law, but nobody passes them until an operator retries or fails them (O-9).
SELECT account, run, item, error
FROM ledger.stuck_item
ORDER BY run, item
LIMIT {shown_max}

-- name: pending
-- C-5: the check settles nothing; it says how many items are due and unsettled.
SELECT count(*)
FROM ledger.item
JOIN ledger.run ON run.run = item.run
JOIN ledger.day ON run.date <= day.business_date
LEFT JOIN ledger.outcome AS result ON result.cell = item.cell AND result.run = item.run AND result.item = item.item
WHERE run.phase = %(phase_pre_business)s AND NOT run.closed AND NOT run.cancelled AND result.run IS NULL

-- name: law_1_balances
-- An account's balance is the sum of its entries, opening entry included (K-1). Before the first date opens, imported
-- balances have no entry yet (C-6).
SELECT account, account.balance, coalesce(entered.amount, 0) AS sum_of_entries,
  account.balance IS DISTINCT FROM
    CASE
      WHEN day.business_date IS NULL AND account.sequence = 1 AND entered.amount IS NULL THEN account.balance
      ELSE coalesce(entered.amount, 0)
    END AS broken
FROM ledger.account
FULL JOIN (
  SELECT cell, account, sum(amount) AS amount FROM ledger.entry GROUP BY cell, account
) AS entered USING (cell, account)
CROSS JOIN ledger.day

-- name: law_1_sequences
-- An account counts as many entries as it has, and the last bears that number (K-1). That none is missing in between or
-- there twice is law_1_running_balances.
SELECT account, account.sequence, coalesce(entered.entries, 0) AS entries, coalesce(entered.last, 0) AS last_entry,
  account.sequence IS DISTINCT FROM coalesce(entered.last, 0) OR coalesce(entered.entries <> entered.last, false) AS broken
FROM (
  SELECT cell, account,
    CASE WHEN day.business_date IS NULL AND sequence = 1 AND balance <> 0 THEN 0 ELSE sequence END AS sequence
  FROM ledger.account
  CROSS JOIN ledger.day
) AS account
FULL JOIN (
  SELECT cell, account, count(*) AS entries, max(sequence) AS last FROM ledger.entry GROUP BY cell, account
) AS entered USING (cell, account)

-- name: law_1_running_balances
-- Each entry is numbered one after the entry before it, and its balance is that one's plus its amount (K-1).
SELECT account, sequence, amount, balance, balance_before, sequence_before,
  sequence <> sequence_before + 1 OR balance <> balance_before + amount AS broken
FROM (
  SELECT account, sequence, amount, balance,
    lag(balance, 1, 0::bigint) OVER chain AS balance_before, lag(sequence, 1, 0::bigint) OVER chain AS sequence_before
  FROM ledger.entry
  WINDOW chain AS (PARTITION BY cell, account ORDER BY sequence)
) AS chained

-- name: law_1_transfer_legs
-- An entry against another account has its mirror under the same key: opposite amount, account and contra exchanged. A
-- key may move the same amount twice, so both sides are counted (K-1).
SELECT client, key, account, contra, amount, legs_of_account, legs_of_contra, legs_of_account <> legs_of_contra AS broken
FROM (
  SELECT client, key, least(account, contra) AS account, greatest(account, contra) AS contra,
    CASE WHEN account < contra THEN amount ELSE -amount END AS amount,
    count(*) FILTER (WHERE account < contra) AS legs_of_account,
    count(*) FILTER (WHERE account >= contra) AS legs_of_contra
  FROM ledger.entry
  WHERE contra >= %(account_min)s
  GROUP BY 1, 2, 3, 4, 5
) AS paired

-- name: law_1_trial_balance
-- What customers have and what the bank's own codes stand at come to zero (K-1): accounts are read from their balances,
-- codes from the contra side of entries and from internal entries.
SELECT customers.balance AS customers, codes.balance AS codes, customers.balance + codes.balance <> 0 AS broken
FROM (SELECT coalesce(sum(balance), 0) AS balance FROM ledger.account) AS customers
CROSS JOIN (
  SELECT coalesce(sum(amount), 0) AS balance
  FROM (
    SELECT -sum(amount) AS amount FROM ledger.entry WHERE contra < %(account_min)s
    UNION ALL
    SELECT -sum(amount) FROM ledger.internal_entry WHERE debit < %(account_min)s
    UNION ALL
    SELECT sum(amount) FROM ledger.internal_entry WHERE credit < %(account_min)s
    UNION ALL
    SELECT -sum(account.balance)
    FROM ledger.account
    JOIN ledger.day ON day.business_date IS NULL
    WHERE account.sequence = 1
  ) AS side
) AS codes

-- name: law_1_contras
-- Every movement has two different sides, each a code of the chart or an account that exists; internal entries have two
-- codes (law 1).
SELECT judged.side, judged.client, judged.key, judged.run, judged.account, judged.contra, judged.amount,
  CASE
    WHEN judged.contra < %(account_min)s THEN judged.contra <> ALL (%(codes)s::bigint[])
    ELSE judged.side <> 'entry' OR other.account IS NULL
  END
  OR judged.account = judged.contra
  OR judged.side <> 'entry' AND judged.account <> ALL (%(codes)s::bigint[]) AS broken
FROM (
  SELECT 'entry' AS side, client, key, run, account, contra, amount FROM ledger.entry
  UNION ALL
  SELECT 'internal', client, key, run, debit, credit, amount FROM ledger.internal_entry
) AS judged
LEFT JOIN (SELECT DISTINCT account FROM ledger.account) AS other ON other.account = judged.contra

-- name: law_1_held
-- What an account holds back is the sum of its open holds (K-1).
SELECT account, coalesce(account.held, 0) AS held, coalesce(placed.amount, 0) AS open_holds,
  account.held IS DISTINCT FROM coalesce(placed.amount, 0) AS broken
FROM ledger.account
FULL JOIN (
  SELECT cell, account, sum(amount) AS amount FROM ledger.hold WHERE status = %(hold_open)s GROUP BY cell, account
) AS placed USING (cell, account)

-- name: law_1_suspense
-- The suspense of a closed run is zero; of an open one it is what was funded and debited less what was credited, by the
-- outcomes of its items (K-1, R-2). Suspense of no run at all is shown as run NULL.
SELECT run, facts.closed, coalesce(money.amount, 0) AS suspense,
  CASE WHEN facts.closed THEN 0 ELSE coalesce(own.funded, 0) + coalesce(settled.amount, 0) END AS expected,
  facts.run IS NULL OR coalesce(money.amount, 0) <>
    CASE WHEN facts.closed THEN 0 ELSE coalesce(own.funded, 0) + coalesce(settled.amount, 0) END AS broken
FROM ledger.run AS facts
FULL JOIN (
  SELECT run, sum(amount) AS amount
  FROM (
    SELECT run, -amount AS amount FROM ledger.entry WHERE contra = %(code_run_suspense)s
    UNION ALL
    SELECT run, amount FROM ledger.internal_entry WHERE credit = %(code_run_suspense)s
    UNION ALL
    SELECT run, -amount FROM ledger.internal_entry WHERE debit = %(code_run_suspense)s
  ) AS movement
  GROUP BY run
) AS money USING (run)
LEFT JOIN centercut.run AS own USING (run)
LEFT JOIN (
  SELECT item.run, sum(CASE WHEN item.kind = %(item_credit)s THEN -item.amount ELSE item.amount END) AS amount
  FROM ledger.item
  JOIN ledger.outcome AS result USING (cell, run, item)
  WHERE result.reason = %(reason_accepted)s
  GROUP BY item.run
) AS settled USING (run)

-- name: law_1_funding
-- What the originator was debited for a run is what the run says, and once the run is closed it (and what was collected)
-- was paid to items, forwarded to other banks, or returned (K-1, R-3, R-8). Returned is also what went to another code of
-- the chart, as suspense (R-7). A completed run forwards all that was set apart for other banks, a cancelled one all or
-- nothing.
SELECT run, own.finished, own.funded, coalesce(entered.funding, 0) AS funding, coalesce(settled.paid, 0) AS paid,
  coalesce(settled.collected, 0) AS collected, coalesce(internal.forwarded, 0) AS forwarded,
  coalesce(entered.returned, 0) + coalesce(internal.kept, 0) AS returned,
  own.funded <> coalesce(entered.funding, 0)
  OR own.funded + coalesce(settled.collected, 0) <> coalesce(settled.paid, 0) + coalesce(internal.forwarded, 0)
    + coalesce(entered.returned, 0) + coalesce(internal.kept, 0)
  OR coalesce(internal.forwarded, 0) <> own.other_bank_amount
    AND NOT (own.finished = 'cancelled' AND coalesce(internal.forwarded, 0) = 0) AS broken
FROM centercut.run AS own
JOIN ledger.run AS facts USING (run)
LEFT JOIN (
  SELECT run, -sum(amount) FILTER (WHERE kind = %(kind_run_funding)s) AS funding,
    sum(amount) FILTER (WHERE kind = %(kind_run_closing)s) AS returned
  FROM ledger.entry
  WHERE kind IN (%(kind_run_funding)s, %(kind_run_closing)s)
  GROUP BY run
) AS entered USING (run)
LEFT JOIN (
  SELECT run, sum(amount) FILTER (WHERE credit = %(code_interbank)s) AS forwarded,
    sum(amount) FILTER (WHERE credit <> %(code_interbank)s) AS kept
  FROM ledger.internal_entry
  WHERE debit = %(code_run_suspense)s
  GROUP BY run
) AS internal USING (run)
LEFT JOIN (
  SELECT item.run, sum(item.amount) FILTER (WHERE item.kind = %(item_credit)s) AS paid,
    sum(item.amount) FILTER (WHERE item.kind <> %(item_credit)s) AS collected
  FROM ledger.item
  JOIN ledger.outcome AS result USING (cell, run, item)
  WHERE result.reason = %(reason_accepted)s
  GROUP BY item.run
) AS settled USING (run)
WHERE facts.closed AND (own.funded <> 0 OR entered.funding IS NOT NULL)

-- name: law_2_items
-- An item is there once: its number is unique in its run, and the run exists (law 2).
SELECT run, item, times, facts.run IS NULL OR times <> 1 AS broken
FROM (SELECT run, item, count(*) AS times FROM ledger.item GROUP BY run, item) AS numbered
LEFT JOIN ledger.run AS facts USING (run)

-- name: law_2_results
-- An outcome belongs to an item, is one that an item can have, and is `cancelled` only in a cancelled run (law 2, R-3).
SELECT result.run, result.item, result.reason,
  item.run IS NULL OR result.reason <> ALL (%(item_reasons)s::smallint[])
  OR result.reason = %(reason_cancelled)s AND facts.cancelled IS NOT TRUE AS broken
FROM ledger.outcome AS result
LEFT JOIN ledger.item USING (cell, run, account, item)
LEFT JOIN ledger.run AS facts ON facts.run = result.run

-- name: law_2_spans
-- A span says as many items, and of as much money, as it stands for, and shares no account with another of its run: else
-- an item would have no outcome, or two.
SELECT run, span.first_account, last_account, span.items, coalesce(stood.items, 0) AS items_stored, span.credited,
  coalesce(stood.credited, 0) AS credited_stored, span.debited, coalesce(stood.debited, 0) AS debited_stored,
  span.last_before AS last_account_before,
  (span.items, span.credited, span.debited)
    IS DISTINCT FROM (coalesce(stood.items, 0), coalesce(stood.credited, 0), coalesce(stood.debited, 0))
  OR span.first_account <= span.last_before IS TRUE OR facts.run IS NULL AS broken
FROM (
  SELECT *, lag(last_account) OVER (PARTITION BY cell, run ORDER BY last_account) AS last_before FROM ledger.span
) AS span
LEFT JOIN (
  SELECT item.cell, item.run, span.last_account, count(*) AS items,
    sum(item.amount) FILTER (WHERE item.kind = %(item_credit)s) AS credited,
    sum(item.amount) FILTER (WHERE item.kind <> %(item_credit)s) AS debited
  FROM ledger.item
  CROSS JOIN LATERAL (
    SELECT first_account, last_account, beside
    FROM ledger.span
    WHERE span.cell = item.cell AND span.run = item.run AND span.last_account >= item.account
    ORDER BY span.last_account
    LIMIT 1
  ) AS span
  LEFT JOIN ledger.result USING (cell, run, account, item)
  WHERE result.run IS NULL AND span.first_account <= item.account AND item.account <> ALL (span.beside)
  GROUP BY item.cell, item.run, span.last_account
) AS stood USING (cell, run, last_account)
LEFT JOIN ledger.run AS facts USING (run)

-- name: law_2_item_entries
-- An accepted item has exactly its entry: on its account, its amount and sign, valued on its due date, booked on the date
-- of its decision, right behind what it was decided on, against the run's suspense; a refused one has none, and no entry
-- names an item that was not accepted (K-1). A second entry of an item would stand at another place and so is found.
SELECT run, item, result.reason, coalesce(entry.account, item.account) AS account, entry.sequence, entry.amount,
  CASE
    WHEN result.run IS NULL OR result.reason <> %(reason_accepted)s THEN entry.run IS NOT NULL
    ELSE (entry.account, entry.sequence, entry.amount, entry.value_date, entry.date, entry.kind, entry.contra)
      IS DISTINCT FROM (item.account, result.sequence + 1,
        CASE WHEN item.kind = %(item_credit)s THEN item.amount ELSE -item.amount END, item.date, result.date,
        CASE WHEN item.kind = %(item_credit)s THEN %(kind_item_credit)s ELSE %(kind_item_debit)s END::smallint,
        %(code_run_suspense)s::bigint)
  END AS broken
FROM ledger.outcome AS result
JOIN ledger.item USING (cell, run, item)
FULL JOIN (
  SELECT cell, run, item, account, sequence, amount, value_date, date, kind, contra
  FROM ledger.entry
  WHERE item IS NOT NULL
) AS entry USING (cell, run, item)

-- name: law_2_causes
-- Every entry has one cause: an item of a run, or a key; only opening entries have none, stand first, and come from the
-- code for them (O-2, C-6).
SELECT account, sequence, kind, contra, run, item, client, key,
  CASE
    WHEN kind = %(kind_opening)s
      THEN num_nonnulls(run, item, client, key) > 0 OR sequence <> 1 OR contra <> %(code_opening)s
    WHEN kind IN (%(kind_item_credit)s, %(kind_item_debit)s)
      THEN num_nonnulls(run, item) < 2 OR num_nonnulls(client, key) > 0
    ELSE num_nonnulls(client, key) < 2 OR item IS NOT NULL
  END AS broken
FROM ledger.entry

-- name: law_2_requests
-- What is stored under a key is a decision, whole and of one piece: a reason that C-2 keeps, movements with two sides and
-- an amount, and for every account touched a sequence and a balance, none twice, none of its movements' missing (O-2).
SELECT client, key, kind, reason,
  reason <> ALL (%(request_reasons)s::smallint[])
  OR cardinality(debits) <> cardinality(amounts) OR cardinality(credits) <> cardinality(amounts)
  OR cardinality(sequences) <> cardinality(accounts) OR cardinality(balances) <> cardinality(accounts)
  OR 0 >= ANY (amounts)
  OR cardinality(accounts) > 1 AND EXISTS (
    SELECT FROM unnest(accounts) AS touched (account) GROUP BY account HAVING count(*) > 1
  )
  OR (debits[1] >= %(account_min)s AND debits[1] <> ALL (accounts)) IS TRUE
  OR (credits[1] >= %(account_min)s AND credits[1] <> ALL (accounts)) IS TRUE
  OR cardinality(amounts) > 1 AND EXISTS (
    SELECT FROM unnest(debits || credits) AS place (place)
    WHERE place >= %(account_min)s AND place <> ALL (accounts)
  ) AS broken
FROM ledger.request

-- name: law_2_request_entries
-- An accepted request has exactly the entries its movements say, debit before credit, numbered on each account from what
-- it was decided on, with its dates, kind and run; a refused one has none, and no entry names a key that was not
-- accepted (K-1).
SELECT client, key, account, sequence, said.amount AS amount_said, entry.amount,
  (said.amount, said.contra, said.date, said.value_date, said.kind, said.run)
    IS DISTINCT FROM (entry.amount, entry.contra, entry.date, entry.value_date, entry.kind, entry.run) AS broken
FROM (
  -- nearly all requests make one movement: its legs need no ordering
  SELECT client, key, debits[1] AS account, sequences[array_position(accounts, debits[1])] + 1 AS sequence,
    -amounts[1] AS amount, credits[1] AS contra, date, value_date, kind, run
  FROM ledger.request
  WHERE reason = %(reason_accepted)s AND cardinality(amounts) = 1 AND debits[1] >= %(account_min)s
  UNION ALL
  SELECT client, key, credits[1], sequences[array_position(accounts, credits[1])] + 1,
    amounts[1], debits[1], date, value_date, kind, run
  FROM ledger.request
  WHERE reason = %(reason_accepted)s AND cardinality(amounts) = 1 AND credits[1] >= %(account_min)s
  UNION ALL
  SELECT client, key, account,
    basis + row_number() OVER (PARTITION BY client, key, account ORDER BY movement, amount), amount, contra, date,
    value_date, kind, run
  FROM (
    SELECT request.client, request.key, leg.account, leg.contra, leg.amount, leg.movement, request.date,
      request.value_date, request.kind, request.run,
      request.sequences[array_position(request.accounts, leg.account)] AS basis
    FROM ledger.request
    CROSS JOIN LATERAL (
      SELECT debit AS account, credit AS contra, -amount AS amount, movement
      FROM unnest(debits, credits, amounts) WITH ORDINALITY AS moved (debit, credit, amount, movement)
      UNION ALL
      SELECT credit, debit, amount, movement
      FROM unnest(debits, credits, amounts) WITH ORDINALITY AS moved (debit, credit, amount, movement)
    ) AS leg
    WHERE request.reason = %(reason_accepted)s AND cardinality(request.amounts) > 1 AND leg.account >= %(account_min)s
  ) AS leg
) AS said
FULL JOIN (
  SELECT client, key, account, sequence, amount, contra, date, value_date, kind, run
  FROM ledger.entry
  WHERE key IS NOT NULL
) AS entry USING (client, key, account, sequence)

-- name: law_2_internal_entries
-- Movements between two codes are there as often as accepted requests say, and no others (R-2, K-1).
SELECT client, key, run, debit, credit, amount, said, entered, said <> entered AS broken
FROM (
  SELECT client, key, run, debit, credit, amount, date, value_date, sum(said) AS said, sum(entered) AS entered
  FROM (
    SELECT *
    FROM (
      SELECT client, key, run, unnest(debits) AS debit, unnest(credits) AS credit, unnest(amounts) AS amount, date,
        value_date, 1 AS said, 0 AS entered
      FROM ledger.request
      WHERE reason = %(reason_accepted)s
    ) AS moved
    WHERE debit < %(account_min)s AND credit < %(account_min)s
    UNION ALL
    SELECT client, key, run, debit, credit, amount, date, value_date, 0, 1
    FROM ledger.internal_entry
  ) AS side
  GROUP BY client, key, run, debit, credit, amount, date, value_date
) AS counted

-- name: law_2_finished_runs
-- The ledger and the centre cut agree that a run is closed and how, and a closed run has no item without an outcome (R-2).
SELECT facts.run, facts.closed, own.finished, coalesce(counted.unsettled, 0) AS unsettled,
  own.run IS NULL
  OR facts.closed <> (own.finished IS NOT NULL)
  OR facts.closed AND facts.cancelled <> (own.finished = 'cancelled')
  OR facts.closed AND coalesce(counted.unsettled, 0) > 0 AS broken
FROM ledger.run AS facts
LEFT JOIN centercut.run AS own ON own.run = facts.run
LEFT JOIN (
  SELECT item.run, count(*) AS unsettled
  FROM ledger.item
  LEFT JOIN ledger.outcome AS result ON result.cell = item.cell AND result.run = item.run AND result.item = item.item
  WHERE result.run IS NULL
  GROUP BY item.run
) AS counted ON counted.run = facts.run

-- name: law_2_run_totals
-- A run has as many items, and of as much money, as were loaded: none came or went since (R-4).
SELECT run, own.items, own.amount, coalesce(stored.items, 0) AS items_stored, coalesce(stored.amount, 0) AS amount_stored,
  own.items <> coalesce(stored.items, 0) OR own.amount <> coalesce(stored.amount, 0) AS broken
FROM centercut.run AS own
LEFT JOIN (
  SELECT run, count(*) AS items, sum(amount) AS amount FROM ledger.item GROUP BY run
) AS stored USING (run)

-- name: law_2_files
-- One content is one run among those that are not cancelled (R-4).
SELECT digest, runs, cardinality(runs) > 1 AS broken
FROM (
  SELECT own.digest, array_agg(own.run ORDER BY own.run) AS runs
  FROM centercut.run AS own
  JOIN ledger.run AS facts USING (run)
  WHERE NOT facts.cancelled
  GROUP BY own.digest
) AS live

-- name: law_2_reversals
-- An accepted reversal undoes an accepted online transaction of its client, which no other one does, by its movements
-- turned round, last first, with its value date, not before it (C-3).
SELECT reversal.client, reversal.key, reversal.reference, times,
  times > 1
  OR (original.reason, original.value_date, original.debits, original.credits, original.amounts)
    IS DISTINCT FROM (%(reason_accepted)s::smallint, reversal.value_date, array_reverse(reversal.credits),
      array_reverse(reversal.debits), array_reverse(reversal.amounts))
  OR original.kind <> ALL (%(reversible_kinds)s::smallint[])
  OR reversal.date < original.date AS broken
FROM (
  SELECT client, key, reference, debits, credits, amounts, date, value_date,
    count(*) OVER (PARTITION BY client, reference) AS times
  FROM ledger.request
  WHERE kind = %(kind_reversal)s AND reason = %(reason_accepted)s
) AS reversal
LEFT JOIN ledger.request AS original ON original.client = reversal.client AND original.key = reversal.reference

-- name: law_2_holds_placed
-- Each hold was placed by an accepted request, on the account and date it names, and each such request placed one (C-4).
SELECT client, key, hold.account, hold.placed_on,
  (hold.account, hold.placed_on) IS DISTINCT FROM (request.accounts[1], request.date)
  OR cardinality(request.accounts) <> 1
  OR hold.expires_on < hold.placed_on IS TRUE AS broken
FROM ledger.hold
FULL JOIN (
  SELECT client, key, accounts, date
  FROM ledger.request
  WHERE kind = %(kind_hold_place)s AND reason = %(reason_accepted)s
) AS request USING (client, key)

-- name: law_2_holds_ended
-- A hold ends once: captured or released by the one accepted request that says so, on its date and no later than the hold
-- may last, or expired on a later date by nobody; an open one was ended by none (C-4, O-6).
SELECT client, key, hold.account, hold.status, hold.captured, hold.ended_on, ends.captures, ends.releases,
  CASE hold.status
    WHEN %(hold_open)s
      THEN ends.captures + ends.releases > 0 IS TRUE OR hold.captured <> 0 OR hold.ended_on IS NOT NULL
    WHEN %(hold_captured)s
      THEN (ends.captures, ends.releases, ends.captured, ends.debited, ends.date)
        IS DISTINCT FROM (1::bigint, 0::bigint, hold.captured, hold.account, hold.ended_on)
        OR hold.ended_on > hold.expires_on IS TRUE
    WHEN %(hold_released)s
      THEN (ends.captures, ends.releases, ends.date) IS DISTINCT FROM (0::bigint, 1::bigint, hold.ended_on)
        OR hold.captured <> 0 OR hold.ended_on > hold.expires_on IS TRUE
    WHEN %(hold_expired)s
      THEN ends.captures + ends.releases > 0 IS TRUE OR hold.captured <> 0
        OR hold.ended_on > hold.expires_on IS NOT TRUE
    ELSE true
  END AS broken
FROM ledger.hold
FULL JOIN (
  SELECT client, reference AS key, count(*) FILTER (WHERE kind = %(kind_hold_capture)s) AS captures,
    count(*) FILTER (WHERE kind = %(kind_hold_release)s) AS releases,
    max(amounts[1]) AS captured, max(debits[1]) AS debited, max(date) AS date
  FROM ledger.request
  WHERE kind IN (%(kind_hold_capture)s, %(kind_hold_release)s) AND reason = %(reason_accepted)s
  GROUP BY client, reference
) AS ends USING (client, key)

-- name: law_3_registration
-- A pre-business run was registered while its date was still to come, the others no later than their date (O-3).
SELECT run, date, phase, registered_on,
  CASE WHEN phase = %(phase_pre_business)s THEN registered_on >= date ELSE registered_on > date END AS broken
FROM ledger.run

-- name: law_3_item_dates
-- An item is due on its run's date (O-1), and is decided on that date or later, never ahead of the bank's own date; what
-- an operator or the originator takes back may be decided earlier (O-4, R-3, R-9).
SELECT item.run, item.item, item.account, item.date AS due, facts.date AS due_by_run, result.date AS decided_on,
  item.date <> facts.date
  OR result.run IS NOT NULL AND (
    result.date > day.business_date
    OR result.date < item.date
      AND result.reason NOT IN (%(reason_cancelled)s, %(reason_withdrawn)s, %(reason_failed)s)
  ) AS broken
FROM ledger.item
CROSS JOIN ledger.day
LEFT JOIN ledger.run AS facts ON facts.run = item.run
LEFT JOIN ledger.outcome AS result ON result.cell = item.cell AND result.run = item.run AND result.item = item.item

-- name: law_3_entry_dates
-- On one account booking dates never go backwards, and none is ahead of the bank's own date (D-1).
SELECT account, sequence, date, date_before, date < date_before OR date > business_date AS broken
FROM (
  SELECT account, sequence, date, lag(date, 1, date) OVER (PARTITION BY cell, account ORDER BY sequence, date)
    AS date_before
  FROM ledger.entry
) AS chained
CROSS JOIN ledger.day

-- name: law_3_items_in_order
-- O-1 from what decisions stood on: in the order due date, priority, run, item, each pre-business item of an account was
-- decided behind the one before it, and none was decided while an earlier one was not. Not ordered: what a cancelled run
-- leaves, and what was withdrawn or failed before its date or in a cancelled run.
SELECT account, run, item, date AS due, sequence AS decided_on, run_before, item_before, stood_at AS must_stand_behind,
  settled AND (NOT settled_before OR sequence < stood_at) AS broken
FROM (
  SELECT account, run, item, date, sequence, settled, lag(run) OVER ranked AS run_before,
    lag(item) OVER ranked AS item_before, lag(stands_at, 1, 0::bigint) OVER ranked AS stood_at,
    lag(settled, 1, true) OVER ranked AS settled_before
  FROM (
    SELECT item.cell, item.account, item.run, item.item, item.date, facts.priority, result.sequence,
      result.run IS NOT NULL AS settled,
      result.sequence + CASE WHEN result.reason = %(reason_accepted)s THEN 1 ELSE 0 END AS stands_at
    FROM ledger.item
    JOIN ledger.run AS facts ON facts.run = item.run
    LEFT JOIN ledger.outcome AS result ON result.cell = item.cell AND result.run = item.run AND result.item = item.item
    WHERE facts.phase = %(phase_pre_business)s
      AND CASE
        WHEN result.run IS NULL THEN NOT facts.cancelled
        WHEN result.reason = %(reason_cancelled)s THEN false
        WHEN result.reason IN (%(reason_withdrawn)s, %(reason_failed)s)
          THEN NOT facts.cancelled AND result.date >= item.date
        ELSE true
      END
  ) AS decided
  WINDOW ranked AS (PARTITION BY cell, account ORDER BY date, priority, run, item)
) AS ordered

-- name: law_3_requests_behind_items
-- O-2: every outcome of a request, accepted or refused, was decided behind all pre-business items of its accounts due on
-- its date or earlier, and none of those is still unsettled. One running maximum over items and requests by date, so that
-- an account with very many of both costs no more than its rows. Not ordered: what a cancelled run leaves.
SELECT client, key, account, date, sequence AS decided_on, must_stand_behind, unsettled_before,
  sequence < must_stand_behind IS TRUE OR unsettled_before > 0 AS broken
FROM (
  SELECT client, key, account, date, sequence,
    max(stands_at) OVER behind AS must_stand_behind, count(*) FILTER (WHERE unsettled) OVER behind AS unsettled_before
  FROM (
    SELECT NULL AS client, NULL AS key, item.account, item.date, NULL AS sequence,
      result.sequence + CASE WHEN result.reason = %(reason_accepted)s THEN 1 ELSE 0 END AS stands_at,
      result.run IS NULL AS unsettled
    FROM ledger.item
    JOIN ledger.run AS facts ON facts.run = item.run
    LEFT JOIN ledger.outcome AS result ON result.cell = item.cell AND result.run = item.run AND result.item = item.item
    WHERE facts.phase = %(phase_pre_business)s
      AND CASE
        WHEN result.run IS NULL OR result.reason IN (%(reason_withdrawn)s, %(reason_failed)s) THEN NOT facts.cancelled
        ELSE result.reason <> %(reason_cancelled)s
      END
    UNION ALL
    SELECT client, key, unnest(accounts), date, unnest(sequences), NULL, false
    FROM ledger.request
  ) AS outcome
  WINDOW behind AS (PARTITION BY account ORDER BY date, client IS NOT NULL)
) AS ordered
WHERE client IS NOT NULL

-- name: law_3_entries_behind_items
-- The same from entries alone: on an account nothing but items stands, with the due date or a later one, ahead of the
-- entry of a pre-business item; opening entries count too (O-2, O-6).
SELECT chained.account, sequence, run, item, value_date AS due, date_of_online_before,
  date_of_online_before >= value_date IS TRUE AS broken
FROM (
  SELECT account, sequence, run, item, value_date,
    max(date) FILTER (WHERE item IS NULL) OVER (PARTITION BY cell, account ORDER BY sequence) AS date_of_online_before
  FROM ledger.entry
) AS chained
JOIN ledger.run AS facts USING (run)
WHERE item IS NOT NULL AND facts.phase = %(phase_pre_business)s

-- name: law_3_results_decided_on
-- What an item's outcome says it was decided on was so: the entry of that number has that balance and no later date, and
-- the next one no earlier date; with number 0 the balance is 0 (O-2).
SELECT item.account, result.run, result.item, result.date, result.sequence, result.balance,
  last.balance AS balance_of_entry,
  CASE WHEN result.sequence = 0 THEN result.balance <> 0 ELSE result.balance <> last.balance OR result.date < last.date END
  OR next.date < result.date IS TRUE AS broken
FROM ledger.outcome AS result
JOIN ledger.item USING (cell, run, item)
LEFT JOIN ledger.entry AS last
  ON last.cell = item.cell AND last.account = item.account AND last.sequence = result.sequence
LEFT JOIN ledger.entry AS next
  ON next.cell = item.cell AND next.account = item.account AND next.sequence = result.sequence + 1

-- name: law_3_requests_decided_on
-- The same of requests, for each account touched; none is dated ahead of the bank's own date (O-2).
SELECT touched.client, touched.key, touched.account, touched.date, touched.sequence, touched.balance,
  last.balance AS balance_of_entry,
  CASE WHEN touched.sequence = 0 THEN touched.balance <> 0
    ELSE touched.balance <> last.balance OR touched.date < last.date END
  OR next.date < touched.date IS TRUE OR touched.date > day.business_date AS broken
FROM (
  SELECT client, key, date, unnest(accounts) AS account, unnest(sequences) AS sequence, unnest(balances) AS balance
  FROM ledger.request
) AS touched
CROSS JOIN ledger.day
LEFT JOIN ledger.entry AS last ON last.account = touched.account AND last.sequence = touched.sequence
LEFT JOIN ledger.entry AS next ON next.account = touched.account AND next.sequence = touched.sequence + 1

-- name: law_3_holds_expire_first
-- An expired hold ended before, or on the date of, the next request on its account: none was decided while it still held
-- money back (O-6). The next request's date is a running minimum from the latest date down.
SELECT client, hold, account, expires_on, ended_on, next_request_on,
  next_request_on < coalesce(ended_on, 'infinity') IS TRUE AS broken
FROM (
  SELECT client, hold, account, date AS expires_on, ended_on,
    min(date) FILTER (WHERE hold IS NULL) OVER (PARTITION BY account ORDER BY date DESC, hold IS NULL) AS next_request_on
  FROM (
    SELECT client, key AS hold, account, expires_on AS date, ended_on FROM ledger.hold WHERE expires_on IS NOT NULL
    UNION ALL
    SELECT NULL, NULL, unnest(accounts), date, NULL FROM ledger.request
  ) AS dated
) AS followed
WHERE hold IS NOT NULL
