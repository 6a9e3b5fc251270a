"""Migrations: forward, back, forward again; by one process at a time; refused where they do not fit."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import threading

import pytest

from kanjo import db
from kanjo.db import binaries, migrate
from kanjo.errors import SystemFailed


def _schema(database: db.Database) -> list[str]:
    """The whole schema as pg_dump writes it, without the line that is random."""
    dumped = subprocess.run(
        [binaries.installed() / "pginstall/bin/pg_dump", "--schema-only", "--dbname", database.url],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [line for line in dumped.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]


def test_forward_back_to_nothing_and_forward_again_gives_the_same_schema(database):
    """Every step can be undone: nothing is left behind and nothing comes back different."""
    first = _schema(database)

    migrate.to(database, "base")

    with database.connect(role="owner") as connection:
        left = connection.execute(
            "SELECT nspname FROM pg_namespace "
            "WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public')"
        ).fetchall()
    assert left == [("kanjo",)]
    assert migrate.current(database) == (None, False)

    migrate.to(database)

    assert first == _schema(database)


def test_every_step_alone_can_be_undone_and_done_again(database):
    """From each revision one step back and forth leaves the schema as it was."""
    steps = ["base", *migrate.revisions()]
    schemas = {}
    migrate.to(database, "base")
    for step in steps[1:]:
        migrate.to(database, step)
        schemas[step] = _schema(database)

    for before, step in reversed(list(itertools.pairwise(steps[1:]))):
        migrate.to(database, before)
        assert schemas[before] == _schema(database)
        migrate.to(database, step)
        assert schemas[step] == _schema(database)
        migrate.to(database, before)


def test_steps_are_numbered_without_gaps_and_each_has_both_directions():
    """NNNN_name.py, .up.sql and .down.sql lie side by side, and each names the one before."""
    folder = migrate.FOLDER / "versions"

    assert [f"{number:04}" for number in range(1, len(migrate.revisions()) + 1)] == migrate.revisions()
    for script in folder.glob("[0-9]*.py"):
        assert script.with_suffix(".up.sql").is_file()
        assert script.with_suffix(".down.sql").is_file()
        assert f'revision = "{script.name[:4]}"' in script.read_text()


def test_processes_that_migrate_at_once_do_it_once(server):
    """Whoever comes second waits and finds it done."""
    with db.scratch(server, "test") as database:
        migrate.to(database, "base")
        failures = []

        def go() -> None:
            try:
                migrate.to(database)
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=go) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert failures == []
        assert migrate.head() == migrate.current(database)[0]


def test_a_step_that_fails_leaves_the_schema_at_the_step_before(server, tmp_path, monkeypatch):
    """Each step is a transaction: half of one is never there."""
    shutil.copytree(migrate.FOLDER, tmp_path / "migrations")
    monkeypatch.setattr(migrate, "FOLDER", tmp_path / "migrations")
    with db.scratch(server, "test") as database:
        standing = migrate.head()
        versions = tmp_path / "migrations" / "versions"
        number = f"{int(standing) + 1:04}"
        (versions / f"{number}_bad.py").write_text(
            "from kanjo.db.migrations import step\n"
            f'revision = "{number}"\ndown_revision = "{standing}"\n'
            "def upgrade(): step.forward(__file__)\ndef downgrade(): step.back(__file__)\n"
        )
        (versions / f"{number}_bad.up.sql").write_text("CREATE TABLE half (n int); SELECT '100%', 1 / 0;")

        with pytest.raises(SystemFailed):
            migrate.to(database)

        assert migrate.current(database)[0] == standing
        with database.connect(role="owner") as connection:
            assert connection.execute("SELECT to_regclass('half')").fetchone() == (None,)


def test_a_right_that_is_missing_is_named_with_the_statements_that_give_it(server):
    """Without CREATEROLE and without the role, the error tells an administrator what to run."""
    with db.scratch(server, "test") as database:
        migrate.to(database, "base")
        with database.connect(role="owner", autocommit=True) as connection:
            connection.execute("CREATE ROLE kanjo_test_limited NOLOGIN")
            connection.execute("DROP SCHEMA kanjo CASCADE")
        try:
            limited = db.Database(
                database.url + " options='-c role=kanjo_test_limited'", False, database.server_version
            )

            with pytest.raises(SystemFailed, match="CREATE ROLE kanjo_service") as caught:
                migrate.to(limited)

            assert caught.value.code == "database-right-missing"
        finally:
            with database.connect(role="owner", autocommit=True) as connection:
                connection.execute("DROP ROLE kanjo_test_limited")


def test_step_5_keeps_every_outcome_forth_and_back(server):
    """Results learn their accounts, records those of their items; going back, what a span stood for is written out."""
    with db.scratch(server, "test") as database:
        migrate.to(database, "0004")
        with database.connect(role="owner", autocommit=True) as owner:
            for parent in ("item", "entry"):
                owner.execute("SELECT ledger.ensure_partition(%s, '2026-08-01')", (parent,))
            owner.execute(
                "INSERT INTO ledger.run (date, phase, priority, registered_at) VALUES ('2026-08-25', 1, 40, now())"
            )
            owner.execute("INSERT INTO centercut.run (run, business, digest) VALUES (1, 'payroll', 'x')")
            owner.execute(
                "INSERT INTO ledger.item (cell, account, run, item, date, kind, amount)"
                " SELECT 0, 110000000 + item, 1, item, '2026-08-25', 1, 10 FROM generate_series(1, 3) AS item"
            )
            owner.execute(
                "INSERT INTO ledger.result (cell, run, item, date, reason, sequence, balance, before)"
                " VALUES (0, 1, 2, '2026-08-25', 3, 7, 70, true)"
            )
            owner.execute(
                "INSERT INTO transfers.record (cell, run, item, raw)"
                " SELECT 0, 1, item, '' FROM generate_series(2, 4) AS item"
            )

            migrate.to(database)

            outcomes = "SELECT account, item, reason, sequence, balance, before FROM ledger.outcome ORDER BY item"
            assert owner.execute(outcomes).fetchall() == [(110000002, 2, 3, 7, 70, True)]
            records = owner.execute("SELECT item, account FROM transfers.record ORDER BY item").fetchall()
            assert records == [(2, 110000002), (3, 110000003), (4, 0)]
            owner.execute(
                "INSERT INTO ledger.span (cell, run, date, first_account, last_account, beside, items, credited,"
                " debited) VALUES (0, 1, '2026-08-25', 110000001, 110000003, '{110000001}', 1, 10, 0)"
            )
            owner.execute(
                "INSERT INTO ledger.entry (cell, account, sequence, date, value_date, amount, balance, contra, kind,"
                " run, item) VALUES (0, 110000003, 5, '2026-08-25', '2026-08-25', 10, 60, 9001, 11, 1, 3)"
            )

            migrate.to(database, "0004")

            rows = owner.execute("SELECT item, reason, sequence, balance, before FROM ledger.result ORDER BY item")
            assert rows.fetchall() == [(2, 3, 7, 70, True), (3, 0, 4, 50, False)]
