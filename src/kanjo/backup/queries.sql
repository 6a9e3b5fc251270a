-- The statements of backups: few, and none of them on the posting path.

-- name: read_server
SELECT system_identifier, pg_is_in_recovery(), clock_timestamp()
FROM pg_control_system()

-- name: mark
-- A commit of its own, so that a restore to any earlier moment finds a commit behind it to stop at. It writes a message:
-- a commit that wrote nothing would not be waited for.
SELECT pg_logical_emit_message(true, 'kanjo', 'backup'), clock_timestamp(), day.business_date, max(epoch)
FROM ledger.day
CROSS JOIN ledger.epoch
GROUP BY day.business_date

-- name: flush_here
-- A mark is on this server's disk when it is committed, whatever the server's default is; other sites do not matter to it.
SET synchronous_commit = 'local'

-- name: read_flushed
SELECT pg_current_wal_flush_lsn()

-- name: read_life
-- Which life of the ledger this is, whether whoever manages the servers keeps a slot for backups, and whether it is noted
-- which blocks change: a server that took over has the slot, but not what ALTER SYSTEM told the one before it.
SELECT max(epoch),
       EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = 'kanjo_backup'),
       current_setting('summarize_wal')::boolean
FROM ledger.epoch

-- name: read_slot
SELECT wal_status FROM pg_replication_slots WHERE slot_name = %(slot)s

-- name: create_slot
-- From now on the server keeps every byte of its log until it was drawn into the store.
SELECT pg_create_physical_replication_slot(%(slot)s, true)

-- name: drop_slot
SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %(slot)s

-- name: summarize
-- Which blocks change is noted from now on: a next backup takes only those.
ALTER SYSTEM SET summarize_wal = 'on'

-- name: forget_summaries
ALTER SYSTEM RESET summarize_wal

-- name: reload
SELECT pg_reload_conf()

-- name: copy_keys
-- In the order in which two lists are compared: by code point.
COPY (SELECT client, key FROM ledger.request ORDER BY client COLLATE "C", key) TO STDOUT

-- name: read_files
-- What may have left the bank as a file: outgoing files that were handed out, and results of direct debits, which can be
-- written from the end of their run on.
SELECT run, file, business, date, digest
FROM centercut.run
JOIN ledger.run AS facts USING (run)
CROSS JOIN LATERAL (
  VALUES ('outgoing', detail -> 'outgoing_delivered' = 'true'), ('result', detail ->> 'kind' = '91' AND finished IS NOT NULL)
) AS sent (file, may_be)
WHERE may_be
ORDER BY run, file

-- name: shut
UPDATE ledger.day SET shut = true

-- name: read_highest_epoch
SELECT max(epoch) FROM ledger.epoch

-- name: read_business_date
SELECT business_date FROM ledger.day

-- name: begin_epoch
INSERT INTO ledger.epoch (epoch, began_at, backup, restored_to, digest)
VALUES (%(epoch)s, now(), %(backup)s, %(restored_to)s, %(digest)s)

-- name: read_epochs
SELECT epoch, began_at, backup, restored_to, digest, released_at, signatures
FROM ledger.epoch
ORDER BY epoch

-- name: lock_day
SELECT shut FROM ledger.day FOR UPDATE

-- name: release_epoch
UPDATE ledger.epoch SET released_at = now(), signatures = %(signatures)s::jsonb
WHERE epoch = %(epoch)s AND released_at IS NULL

-- name: open_doors
UPDATE ledger.day SET shut = false
