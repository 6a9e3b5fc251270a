-- Transfers: what is kept of a Zengin file, byte for byte, to write results and outgoing files from (R-8, A.6).
CREATE SCHEMA transfers;

-- The group's header as it came (120 bytes, cp932 form).
CREATE TABLE transfers.header (
  run integer PRIMARY KEY REFERENCES centercut.run (run),
  raw bytea NOT NULL CHECK (octet_length(raw) = 120)
);

-- Records (120 bytes, cp932 form): of a direct debit all of them, of credits those for other banks. Append only, copied
-- in and read back in ranges of item numbers; 120 bytes never leave the row, so no toast look-up costs anything.
CREATE TABLE transfers.record (
  run integer NOT NULL,
  item integer NOT NULL,
  cell smallint NOT NULL,
  raw bytea NOT NULL,
  PRIMARY KEY (cell, run, item)
);
ALTER TABLE transfers.record ALTER COLUMN raw SET STORAGE PLAIN;

GRANT USAGE ON SCHEMA transfers TO kanjo_service;
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA transfers TO kanjo_service;
