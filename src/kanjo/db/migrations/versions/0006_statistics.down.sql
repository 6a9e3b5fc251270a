ALTER TABLE ledger.account RESET (autovacuum_analyze_scale_factor);
ALTER TABLE ledger.request
  ALTER debits SET STATISTICS DEFAULT,
  ALTER credits SET STATISTICS DEFAULT,
  ALTER amounts SET STATISTICS DEFAULT,
  ALTER accounts SET STATISTICS DEFAULT,
  ALTER sequences SET STATISTICS DEFAULT,
  ALTER balances SET STATISTICS DEFAULT,
  RESET (autovacuum_analyze_scale_factor);
