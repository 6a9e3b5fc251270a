-- Every posting finds its rows by whole keys, whatever statistics say. Gathering them cost a busy server a tenth of a core:
-- accounts are not other accounts after 2 % of them were posted to, and nobody searches by a request's arrays.
ALTER TABLE ledger.account SET (autovacuum_analyze_scale_factor = 1);
ALTER TABLE ledger.request
  ALTER debits SET STATISTICS 0,
  ALTER credits SET STATISTICS 0,
  ALTER amounts SET STATISTICS 0,
  ALTER accounts SET STATISTICS 0,
  ALTER sequences SET STATISTICS 0,
  ALTER balances SET STATISTICS 0,
  SET (autovacuum_analyze_scale_factor = 0.2);
