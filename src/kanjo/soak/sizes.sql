-- What a long run looks at, read from the catalogue: no table or column of a room is named, so none is forgotten.

-- name: sizes
-- Every table of ours with its partitions, and PostgreSQL's own catalogue as one.
SELECT CASE WHEN n.nspname = 'pg_catalog' THEN 'pg_catalog' ELSE n.nspname || '.' || root.relname END AS name,
  sum(pg_table_size(c.oid))::bigint, sum(pg_indexes_size(c.oid))::bigint,
  sum(coalesce(s.n_live_tup, 0))::bigint, sum(coalesce(s.n_dead_tup, 0))::bigint
FROM pg_class AS c
JOIN pg_class AS root ON root.oid = coalesce(pg_partition_root(c.oid), c.oid)
JOIN pg_namespace AS n ON n.oid = root.relnamespace
LEFT JOIN pg_stat_all_tables AS s ON s.relid = c.oid
WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname <> 'information_schema'
GROUP BY 1
ORDER BY 1

-- name: tables
-- The same tables without the catalogue, to be counted.
SELECT n.nspname, c.relname
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY 1, 2

-- name: server
-- Connections of clients, and the size of the write-ahead log's folder.
SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
  (SELECT sum(size)::bigint FROM pg_ls_waldir())

-- name: wal_bound
-- What checkpoints keep that folder below.
SELECT setting::bigint * 1024 * 1024 FROM pg_settings WHERE name = 'max_wal_size'
