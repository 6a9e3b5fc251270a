-- A life of the ledger (世代): the first, and one more for each restore from a backup. Only the owner writes it.
-- `digest` is of the restore's report, which two persons sign before the doors are opened.
CREATE TABLE ledger.epoch (
  epoch integer PRIMARY KEY CHECK (epoch > 0),
  began_at timestamptz NOT NULL,
  backup text,
  restored_to timestamptz,
  digest text,
  released_at timestamptz,
  signatures jsonb
);
INSERT INTO ledger.epoch (epoch, began_at, released_at) VALUES (1, now(), now());
GRANT SELECT ON ledger.epoch TO kanjo_service;

-- Read together with the date, so that shut doors cost a posting no statement. The service role cannot change it.
ALTER TABLE ledger.day ADD COLUMN shut boolean NOT NULL DEFAULT false;

-- Class 55 of SQLSTATE blames no instruction and no item (O-9): nothing is decided, and every key stays free (C-2).
CREATE FUNCTION ledger.refuse_shut() RETURNS date LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the doors of this restored ledger are shut until two persons release it' USING ERRCODE = '55K01';
END
$$;

-- The date is not switched either.
CREATE FUNCTION ledger.keep_date_while_shut() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM ledger.refuse_shut();
  RETURN NULL;
END
$$;
CREATE TRIGGER day_stands BEFORE UPDATE OF business_date ON ledger.day
  FOR EACH ROW WHEN (OLD.shut) EXECUTE FUNCTION ledger.keep_date_while_shut();
