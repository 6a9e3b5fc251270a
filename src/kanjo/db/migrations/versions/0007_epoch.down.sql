DROP TRIGGER day_stands ON ledger.day;
DROP FUNCTION ledger.keep_date_while_shut();
DROP FUNCTION ledger.refuse_shut();
ALTER TABLE ledger.day DROP COLUMN shut;
DROP TABLE ledger.epoch;
