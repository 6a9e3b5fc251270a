-- In the order in which they were set, so that a dump reads as before.
ALTER TABLE ledger.account
  RESET (fillfactor, autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor),
  SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.1, autovacuum_analyze_scale_factor = 1);
