-- How quick the doors are: what an adaptive cut yields to.

-- name: publish_pulse
INSERT INTO ledger.pulse (door, at, p99_us, transactions)
VALUES (%(door)s, %(at)s, %(p99_us)s, %(transactions)s)
ON CONFLICT (door) DO UPDATE
SET at = excluded.at, p99_us = excluded.p99_us, transactions = excluded.transactions

-- name: slowest_pulse
-- Doors that have said nothing since, or served nobody, do not count.
SELECT max(p99_us)
FROM ledger.pulse
WHERE at >= %(since)s AND transactions > 0
