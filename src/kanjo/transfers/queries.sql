-- What is kept of the files: headers and records, byte for byte. Items, results and accounts are only read here.

-- name: account_status
-- R-7 at load; no lock, since the account may change before the run closes anyway.
SELECT status FROM ledger.account WHERE cell = %(cell)s AND account = %(account)s

-- name: insert_header
INSERT INTO transfers.header (run, raw) VALUES (%(run)s, %(raw)s)

-- name: header
SELECT raw FROM transfers.header WHERE run = %(run)s

-- name: copy_records
COPY transfers.record (cell, run, account, item, raw) FROM STDIN (FORMAT BINARY)

-- name: records
-- A range of records as one value: no row per record crosses the wire.
SELECT count(*), string_agg(record.raw, ''::bytea ORDER BY record.item)
FROM transfers.record
WHERE record.cell = %(cell)s AND record.run = %(run)s AND record.item BETWEEN %(first)s AND %(last)s

-- name: records_with_reasons
-- The same of a closed run, with one byte per record for the reason of its outcome: 255 for a record that never became an
-- item, and the result of one that was accepted may be left to a span. LATERAL
-- with OFFSET fixes the way of the join, a result by its key for each record, whatever the planner knows of the tables.
SELECT count(*), string_agg(record.raw, ''::bytea ORDER BY record.item),
  string_agg(set_byte('\x00'::bytea, 0, CASE WHEN record.account = 0 THEN 255 ELSE coalesce(result.reason, 0) END), ''::bytea ORDER BY record.item)
FROM transfers.record
LEFT JOIN LATERAL (
  SELECT result.reason
  FROM ledger.result
  WHERE result.cell = record.cell AND result.run = record.run AND result.account = record.account
    AND result.item = record.item
  OFFSET 0
) AS result ON true
WHERE record.cell = %(cell)s AND record.run = %(run)s AND record.item BETWEEN %(first)s AND %(last)s

-- name: last_record
SELECT coalesce(max(item), 0) FROM transfers.record WHERE cell = %(cell)s AND run = %(run)s
