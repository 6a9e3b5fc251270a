"""What the operator's commands ask of the databases."""

# Whether a server takes writes.
IN_RECOVERY = "SELECT pg_is_in_recovery()"

# Who follows the primary and how far: positions and lags as the primary knows them.
FOLLOWERS = """
SELECT application_name,
       state,
       sync_state,
       coalesce(pg_wal_lsn_diff(pg_current_wal_flush_lsn(), flush_lsn), 0)::bigint AS lag_bytes,
       coalesce(extract(epoch FROM flush_lag), 0)::float8 AS lag_s
FROM pg_stat_replication
ORDER BY application_name
"""

# Whom a commit waits for, how long, how long the ledger wants it to wait, and how far the primary is.
RULE = """
SELECT current_setting('synchronous_standby_names'),
       current_setting('synchronous_commit'),
       coalesce(current_setting('kanjo.synchronous_commit', true), ''),
       pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0')::bigint
"""

# Which roles and databases have a word of their own on how long a commit waits (pitfall 21): none should.
OVERRIDES = """
SELECT coalesce(rolname, ''), coalesce(datname, ''), setting
FROM pg_db_role_setting
CROSS JOIN unnest(setconfig) AS setting
LEFT JOIN pg_roles ON pg_roles.oid = setrole
LEFT JOIN pg_database ON pg_database.oid = setdatabase
WHERE lower(split_part(setting, '=', 1)) IN ('synchronous_commit', 'kanjo.synchronous_commit')
ORDER BY 1, 2, 3
"""

# Whether a role is barred.
CAN_LOGIN = "SELECT rolcanlogin FROM pg_roles WHERE rolname = %s"

# The log that is kept for the other site, and how much more may come before it is dropped (T25).
SLOT = """
SELECT pg_wal_lsn_diff(pg_current_wal_flush_lsn(), restart_lsn)::bigint AS kept_bytes,
       safe_wal_size AS left_bytes
FROM pg_replication_slots
WHERE slot_name = %s
"""

# Where the log on the server's disk begins: the file of the lowest number, on whichever timeline.
LOG_FROM = """
SELECT min(('x' || substr(name, 9, 8))::bit(32)::bigint * 4294967296
           + ('x' || substr(name, 17, 8))::bit(32)::bigint * pg_size_bytes(current_setting('wal_segment_size')))
FROM pg_ls_waldir()
WHERE name ~ '^[0-9A-F]{24}$'
"""
