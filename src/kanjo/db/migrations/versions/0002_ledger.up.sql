-- The ledger: the only schema in which money lies (law 5). Hot tables begin their key with cell (S-1) and are narrow.
CREATE SCHEMA ledger;

-- The current business date; NULL until the first `day open`. Read under the shared day lock, switched under the
-- exclusive one.
CREATE TABLE ledger.day (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  business_date date
);
INSERT INTO ledger.day (business_date) VALUES (NULL);

-- Half of each page stays free, so that a cut which updates every account finds room on the same page (HOT).
CREATE TABLE ledger.account (
  account bigint NOT NULL,
  balance bigint NOT NULL,
  held bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
  floor bigint NOT NULL DEFAULT 0,
  sequence bigint NOT NULL DEFAULT 0,
  cell smallint NOT NULL,
  status smallint NOT NULL CHECK (status BETWEEN 1 AND 4),
  product smallint NOT NULL,
  PRIMARY KEY (cell, account)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.1);

-- What is not needed to post lives elsewhere.
CREATE TABLE ledger.holder (
  account bigint NOT NULL,
  cell smallint NOT NULL,
  name_kana text NOT NULL,
  PRIMARY KEY (cell, account)
);

-- Append only. `run` with `item`: caused by an item. `client` with `key`: caused by a request (then `run` says which
-- run's suspense is the contra, if it is one).
CREATE TABLE ledger.entry (
  account bigint NOT NULL,
  sequence bigint NOT NULL CHECK (sequence > 0),
  amount bigint NOT NULL CHECK (amount <> 0),
  balance bigint NOT NULL,
  contra bigint NOT NULL,
  date date NOT NULL,
  value_date date NOT NULL,
  cell smallint NOT NULL,
  kind smallint NOT NULL,
  run integer,
  item integer,
  key uuid,
  client text,
  PRIMARY KEY (cell, account, sequence, date)
) PARTITION BY RANGE (date);

-- Movements between two codes of the chart; few, made when runs are closed.
CREATE TABLE ledger.internal_entry (
  date date NOT NULL,
  value_date date NOT NULL,
  debit bigint NOT NULL,
  credit bigint NOT NULL,
  amount bigint NOT NULL CHECK (amount > 0),
  run integer,
  client text NOT NULL,
  key uuid NOT NULL
);
CREATE INDEX internal_entry_run ON ledger.internal_entry (run);

-- Every decision made under a key, accepted or refused, for ever (C-2, O-2). Never detached.
CREATE TABLE ledger.request (
  client text NOT NULL,
  key uuid NOT NULL,
  fingerprint uuid NOT NULL,
  kind smallint NOT NULL,
  reason smallint NOT NULL,
  date date NOT NULL,
  value_date date NOT NULL,
  run integer,
  reference uuid,
  debits bigint[] NOT NULL,
  credits bigint[] NOT NULL,
  amounts bigint[] NOT NULL,
  accounts bigint[] NOT NULL,
  sequences bigint[] NOT NULL,
  balances bigint[] NOT NULL,
  PRIMARY KEY (client, key)
);
-- A transaction is reversed once (C-3): 4 is the kind reversal, 0 the reason accepted.
CREATE UNIQUE INDEX request_reversal ON ledger.request (client, reference) WHERE kind = 4 AND reason = 0;

CREATE TABLE ledger.hold (
  account bigint NOT NULL,
  amount bigint NOT NULL CHECK (amount > 0),
  captured bigint NOT NULL DEFAULT 0 CHECK (captured BETWEEN 0 AND amount),
  placed_on date NOT NULL,
  expires_on date,
  ended_on date,
  cell smallint NOT NULL,
  status smallint NOT NULL CHECK (status BETWEEN 1 AND 4),
  key uuid NOT NULL,
  client text NOT NULL,
  PRIMARY KEY (client, key)
);
CREATE INDEX hold_open ON ledger.hold (cell, account) WHERE status = 1;

-- The facts of order of a run (O-1); they never change, save `cancelled` and `closed`, which only become true.
CREATE TABLE ledger.run (
  run integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  date date NOT NULL,
  phase smallint NOT NULL CHECK (phase BETWEEN 1 AND 3),
  priority smallint NOT NULL,
  registered_on date,
  registered_at timestamptz NOT NULL,
  originator text,
  account bigint,
  cancelled boolean NOT NULL DEFAULT false,
  closed boolean NOT NULL DEFAULT false
);
-- Finished days cost nothing: postings look at open runs only.
CREATE INDEX run_open ON ledger.run (date) WHERE NOT closed;
CREATE INDEX run_account ON ledger.run (account) WHERE NOT closed;

-- Pending work on one account each (O-7). `customer` is asked of the mandate list, for debits only.
CREATE TABLE ledger.item (
  account bigint NOT NULL,
  amount bigint NOT NULL CHECK (amount > 0),
  run integer NOT NULL,
  item integer NOT NULL,
  date date NOT NULL,
  cell smallint NOT NULL,
  kind smallint NOT NULL CHECK (kind IN (1, 2)),
  customer text,
  PRIMARY KEY (cell, account, run, item, date)
) PARTITION BY RANGE (date);

-- The one outcome of an item, and what it was decided on (O-2).
CREATE TABLE ledger.result (
  sequence bigint NOT NULL,
  balance bigint NOT NULL,
  run integer NOT NULL,
  item integer NOT NULL,
  date date NOT NULL,
  cell smallint NOT NULL,
  reason smallint NOT NULL,
  before boolean NOT NULL,
  PRIMARY KEY (cell, run, item)
);

-- Items that could not be decided or saved: they hold their account until an operator retries or fails them (O-9).
CREATE TABLE ledger.stuck_item (
  account bigint NOT NULL,
  run integer NOT NULL,
  item integer NOT NULL,
  cell smallint NOT NULL,
  error text NOT NULL,
  PRIMARY KEY (cell, run, item)
);
CREATE INDEX stuck_item_account ON ledger.stuck_item (cell, account);

-- Which debits a payer has allowed an originator; dated, so that nothing takes effect in a day already open (O-6).
CREATE TABLE ledger.mandate (
  account bigint NOT NULL,
  from_date date NOT NULL,
  until_date date,
  originator text NOT NULL,
  customer text NOT NULL,
  stopped boolean NOT NULL DEFAULT false,
  PRIMARY KEY (originator, account, customer, from_date)
);
-- Originators that have loaded a list: only theirs are asked.
CREATE TABLE ledger.mandate_list (
  originator text NOT NULL PRIMARY KEY,
  from_date date NOT NULL
);

-- How quick the doors are, each second: what an adaptive cut yields to.
CREATE TABLE ledger.pulse (
  door text NOT NULL PRIMARY KEY,
  at timestamptz NOT NULL,
  p99_us integer NOT NULL,
  transactions integer NOT NULL
) WITH (fillfactor = 20);

-- D-2: nobody rewrites history. A row trigger on the parent is cloned to every partition; TRUNCATE needs one on each.
CREATE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'entries are never updated, deleted or truncated (rule D-2): % on %.%',
    TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'KJ001';
END
$$;
CREATE TRIGGER entry_is_final BEFORE UPDATE OR DELETE ON ledger.entry
  FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER entry_stays BEFORE TRUNCATE ON ledger.entry
  FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

-- The owner makes the month's partitions ahead of time: create, then attach, so that postings are hardly held up.
CREATE FUNCTION ledger.ensure_partition(parent text, month date) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  first date := date_trunc('month', month);
  name text := format('%s_%s', parent, to_char(first, 'YYYYMM'));
BEGIN
  IF to_regclass('ledger.' || quote_ident(name)) IS NOT NULL THEN
    RETURN false;
  END IF;
  EXECUTE format('CREATE TABLE ledger.%I (LIKE ledger.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name, parent);
  EXECUTE format('ALTER TABLE ledger.%I ATTACH PARTITION ledger.%I FOR VALUES FROM (%L) TO (%L)',
    parent, name, first, first + interval '1 month');
  IF parent = 'entry' THEN
    EXECUTE format('CREATE TRIGGER entry_stays BEFORE TRUNCATE ON ledger.%I
      FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change()', name);
  END IF;
  EXECUTE format('GRANT SELECT, INSERT ON ledger.%I TO kanjo_service', name);
  RETURN true;
END
$$;
REVOKE EXECUTE ON FUNCTION ledger.ensure_partition FROM PUBLIC;

-- The service role posts; it can neither rewrite entries and outcomes nor make partitions (D-2).
GRANT USAGE ON SCHEMA ledger TO kanjo_service;
GRANT SELECT ON ALL TABLES IN SCHEMA ledger TO kanjo_service;
GRANT INSERT ON ledger.account, ledger.holder, ledger.entry, ledger.internal_entry, ledger.request, ledger.hold,
  ledger.run, ledger.item, ledger.result, ledger.stuck_item, ledger.mandate, ledger.mandate_list, ledger.pulse
  TO kanjo_service;
GRANT UPDATE ON ledger.account, ledger.hold, ledger.mandate, ledger.mandate_list, ledger.pulse TO kanjo_service;
GRANT UPDATE (business_date) ON ledger.day TO kanjo_service;
GRANT UPDATE (cancelled, closed) ON ledger.run TO kanjo_service;
GRANT DELETE ON ledger.stuck_item, ledger.mandate, ledger.pulse TO kanjo_service;
