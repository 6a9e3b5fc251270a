"""The hot statements stay on their indexes, with statistics and right after a load without them (design 4)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from banks import CREDIT, MONDAY, TUESDAY, PostgresBank, key, number
from kanjo import db, ledger
from kanjo.ledger.postgres import SQL

COUNT = 50_000
TYPES = {
    "cell": "smallint",
    "accounts": "bigint[]",
    "runs": "integer[]",
    "dates": "date[]",
    "items_max": "bigint",
    "run": "integer",
    "due": "date",
    "first": "bigint",
    "last": "bigint",
    "date": "date",
    "balances": "bigint[]",
    "helds": "bigint[]",
    "sequences": "bigint[]",
    "places": "tid[]",
    "clients": "text[]",
    "keys": "uuid[]",
}
LARGE = re.compile(r"^(account|item_\d+|result|request|entry_\d+|hold)$")


@pytest.fixture(scope="module", params=["loaded", "analysed", "planned while empty"])
def full(request: pytest.FixtureRequest, server: db.Database) -> Iterator[PostgresBank]:
    """50,000 accounts, two runs of as many items, results for half of the first: with statistics, without, and with
    statements that were planned before all that, as a door has them that stood open while the bank filled up.
    """
    with db.scratch(server, "plans", template=server.name) as database:
        ledger.ensure_partitions(database, MONDAY)
        bank = PostgresBank(database)
        bank.open(MONDAY)
        for parent in ("account", "item_202608", "result", "request"):
            bank.owner.execute(f"ALTER TABLE ledger.{parent} SET (autovacuum_enabled = off)")
        for name in dict.fromkeys(name for name, _ in HOT):
            _prepare(bank, name)
        if request.param == "planned while empty":
            bank.owner.execute("VACUUM ANALYZE")
            for name in dict.fromkeys(name for name, _ in HOT):
                _explain(bank, name, **_given(name, [number(1)], [1]))
        accounts = [number(index) for index in range(1, COUNT + 1)]
        bank.accounts((account, 1_000) for account in accounts)
        runs = [bank.run(MONDAY), bank.run(MONDAY, priority=60)]
        for run in runs:
            bank.items(run, [(account, CREDIT, 10) for account in accounts])
        bank.run(TUESDAY)
        bank.owner.execute(
            """INSERT INTO ledger.result (cell, date, before, account, run, item, reason, sequence, balance)
            SELECT 0, %s, false, account, run, item, 0, 1, 1000 FROM ledger.item WHERE run = %s AND item <= %s""",
            (MONDAY, runs[0], COUNT // 2),
        )
        bank.owner.execute(
            """INSERT INTO ledger.request (date, client, key, fingerprint, kind, reason, value_date, debits, credits,
              amounts, accounts, sequences, balances)
            SELECT %(date)s, 'door', gen_random_uuid(), gen_random_uuid(), 1, 0, %(date)s, '{}', '{}', '{}', '{}', '{}',
              '{}' FROM generate_series(1, %(count)s)""",
            {"date": MONDAY, "count": COUNT},
        )
        bank.owner.execute(
            """INSERT INTO ledger.hold (cell, status, placed_on, account, amount, client, key)
            SELECT 0, 1, %s, account, 1, 'door', gen_random_uuid() FROM unnest(%s::bigint[]) AS account""",
            (MONDAY, accounts[:5_000]),
        )
        if request.param == "analysed":
            bank.owner.execute("VACUUM ANALYZE")
        yield bank
        bank.quit()


def _names(name: str) -> list[str]:
    return list(dict.fromkeys(re.findall(r"%\((\w+)\)s", SQL[name])))


def _prepare(bank: PostgresBank, name: str) -> None:
    """Prepare a named statement under its name."""
    names = _names(name)
    text = re.sub(r"%\((\w+)\)s", lambda match: f"${names.index(match[1]) + 1}", SQL[name])
    bank.connection.execute(f"PREPARE {name} ({', '.join(TYPES[one] for one in names)}) AS {text}")


def _explain(bank: PostgresBank, name: str, **given: Any) -> dict[str, Any]:
    """Its generic plan, executed once with these values in a unit, as a posting does."""
    values = psycopg.ClientCursor(bank.connection).mogrify(
        ", ".join(f"%({one})s::{TYPES[one]}" for one in _names(name)),
        given,
    )
    with bank.store.unit() as unit:
        unit.day()
        row = unit.connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE {name} ({values})").fetchone()
    assert row is not None
    return dict(row[0][0])


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from _nodes(below)


def _scanned(plan: dict[str, Any]) -> list[str]:
    """The large tables that the plan reads from end to end."""
    return [
        f"{node['Node Type']} on {node['Relation Name']}"
        for node in _nodes(plan["Plan"])
        if node["Node Type"] == "Seq Scan" and LARGE.match(node["Relation Name"]) and node["Actual Loops"]
    ]


ROWS_READ_MAX = 8
"""Rows that the plan may read for each account or key asked for: two runs of items and their results, with room."""


def _rows_read(plan: dict[str, Any]) -> float:
    """The rows that all scans of tables found, over all their rounds."""
    return sum(
        float(node["Actual Rows"] * node["Actual Loops"])
        for node in _nodes(plan["Plan"])
        if "Relation Name" in node and LARGE.match(node["Relation Name"])
    )


def _given(name: str, accounts: list[int], runs: list[int]) -> dict[str, Any]:
    count = len(accounts)
    return {
        "cell": 0,
        "accounts": accounts,
        "runs": runs,
        "dates": [MONDAY] * len(runs),
        "date": TUESDAY,
        "run": runs[0],
        "due": MONDAY,
        "first": accounts[0],
        "last": accounts[-1],
        "items_max": 5_001,
        "balances": [1] * count,
        "helds": [0] * count,
        "sequences": [2] * count,
        "places": [f"({100 + index // 40},{index % 40 + 1})" for index in range(count)],
        "clients": ["door"] * count,
        "keys": [key(index) for index in range(count)],
    }


HOT = [
    ("lock_accounts", 1),
    ("lock_accounts", 100),
    ("lock_accounts", 5_000),
    ("read_day_and_standing", 100),
    ("due_items", 1),
    ("due_items", 200),
    ("slice_items", 600),
    ("slice_items", 5_000),
    ("lock_columns", 600),
    ("slice_results", 600),
    ("slice_spans", 600),
    ("accounts_with_others", 600),
    ("requests", 1),
    ("requests", 500),
    ("update_accounts", 1),
    ("update_accounts", 5_000),
    ("update_locked", 1),
    ("update_locked", 500),
    ("expiring_holds", 100),
]


@pytest.mark.parametrize(("name", "count"), HOT)
def test_a_hot_statement_reads_no_large_table_whole(full: PostgresBank, name: str, count: int) -> None:
    """Whatever the statistics say: a scan of 50,000 rows for a few of them would be the end of the doors."""
    accounts = [number(index) for index in range(20_000, 20_000 + count)]
    runs = [row[0] for row in full.owner.execute("SELECT run FROM ledger.run WHERE date = %s ORDER BY run", (MONDAY,))]
    plan = _explain(full, name, **_given(name, accounts, runs))
    assert _scanned(plan) == []
    assert _rows_read(plan) <= ROWS_READ_MAX * count


def test_o_8_an_account_that_had_very_many_items_is_quick_again(full: PostgresBank) -> None:
    """Once they are settled, a look-up reads none of them, though their run is open."""
    account = full.account(number(COUNT + 1))
    run = full.run(MONDAY)
    full.items(run, [(account, CREDIT, 1)] * 2_000)
    assert ledger.settle(full.store, [account]) == 2_000

    plan = _explain(full, "due_items", **_given("due_items", [account], [run]))

    assert _rows_read(plan) <= ROWS_READ_MAX


def test_no_statistics_are_gathered_that_nobody_asks_for(server: db.Database) -> None:
    """Of 30,000 requests' arrays they cost half a second each time; accounts, twice that, and were due every 15 s."""
    with db.scratch(server, "plans") as database, database.connect(role="owner") as connection:
        arrays = connection.execute(
            "SELECT attname, attstattarget FROM pg_attribute "
            "WHERE attrelid = 'ledger.request'::regclass AND attndims > 0"
        ).fetchall()
        [(options,)] = connection.execute(
            "SELECT reloptions FROM pg_class WHERE oid = 'ledger.account'::regclass"
        ).fetchall()
    assert len(arrays) == 6 and {target for _, target in arrays} == {0}
    assert "autovacuum_analyze_scale_factor=1" in options
