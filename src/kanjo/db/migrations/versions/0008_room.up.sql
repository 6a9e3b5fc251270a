-- One number says how full an insert makes a page, and from when on every visit clears it of old versions. For accounts
-- they shall differ: a visit that clears 50 rows of one old version is a tenth of what a door's batch costs the server, and
-- a commit of a worker that updates all rows of a page needs room there for each. So accounts are imported at 45 %, and the
-- first `day open` sets 55 %: ten old versions may lie in a page, and beside them there is room for all of its rows.
ALTER TABLE ledger.account SET (fillfactor = 45);
