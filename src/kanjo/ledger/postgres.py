"""The ledger on PostgreSQL: columns in, columns out, one round trip to load and one to save."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any, cast

import psycopg
from psycopg import errors

from kanjo.db.columns import Date, Int2, Int4, Int8, Text, Uuid
from kanjo.db.queries import Queries
from kanjo.ledger.account import Account
from kanjo.ledger.book import Book, Changes, Hold, Item, Key, LawBroken, MandateState, Run, StuckItem, Wanted
from kanjo.ledger.chart import Code
from kanjo.ledger.request_rows import outcome_of, request_statements
from kanjo.ledger.store import Conflict, Day, OutcomeUnknown, StoreFailed, due_runs

SQL = Queries("kanjo.ledger")
DAY_LOCK = 0x4B414E4A4F
"""The advisory lock of the business date: shared by postings, exclusive for `day open` (O-10)."""
DAY_LOCK_WAIT_MS = 100
"""How long the doors may be held up by one who wants the day for himself; then he tries again (O-10)."""
DAY_HELD_SILENT_MS = 3_000
"""Who has the day for himself and falls silent (his line is dead, his process stopped) is undone by the server after so
long: all doors wait for him."""
FEW_ACCOUNTS = 500
"""Up to so many accounts a batch is looked up account by account, fair to each; more are read as a range."""

_CONFLICTS = (
    errors.DeadlockDetected,
    errors.SerializationFailure,
    errors.UniqueViolation,
    errors.LockNotAvailable,
)


class PostgresUnit:
    """One transaction on one connection."""

    def __init__(self, connection: psycopg.Connection[Any], cell: int) -> None:
        self.connection = connection
        self.cell = cell

    def _run(self, *statements: tuple[str, dict[str, Any]]) -> list[list[tuple[Any, ...]]]:
        """Send the statements in one round trip and fetch all their rows."""
        cursors = []
        with self.connection.pipeline():
            for name, parameters in statements:
                cursor = self.connection.cursor(binary=True)
                cursor.execute(SQL[name], parameters, prepare=True)
                cursors.append(cursor)
        return [cursor.fetchall() if cursor.description else [] for cursor in cursors]

    def day(self) -> Day:
        _, [(business_date,)], runs = self._run(("share_day", {"lock": DAY_LOCK}), ("read_day", {}), ("open_runs", {}))
        return Day(business_date, {row[0]: Run(*row) for row in runs})

    def take_day(self) -> None:
        self.connection.execute(f"SET LOCAL lock_timeout = {DAY_LOCK_WAIT_MS}")
        self._run(("take_day", {"lock": DAY_LOCK}))
        self.connection.execute("SET LOCAL lock_timeout = 0")
        self.connection.execute(f"SET LOCAL idle_in_transaction_session_timeout = {DAY_HELD_SILENT_MS}")

    def accounts_behind(self, reversals: Sequence[Key], holds: Sequence[Key]) -> set[int]:
        rows = self._run(("accounts_of_requests", _keys(reversals)), ("accounts_of_holds", _keys(holds)))
        return {account for part in rows for (account,) in part}

    def load(self, day: Day, wanted: Wanted) -> Book:
        assert day.date is not None
        due = due_runs(day, wanted)
        accounts = Int8(wanted.accounts)
        here = {"cell": self.cell, "accounts": accounts}
        statements: list[tuple[str, dict[str, Any]]] = [
            ("lock_accounts", here),
            ("stuck_items", here),
            ("expiring_holds", here | {"date": day.date}),
        ]
        if wanted.keys or wanted.reversals:
            statements.append(("requests", _keys([*wanted.keys, *wanted.reversals])))
        if wanted.reversals:
            statements.append(("reversed", _keys(wanted.reversals)))
        if wanted.holds:
            statements.append(("holds", _keys(wanted.holds)))
        if wanted.closing:
            statements.append(("accounts_with_runs", {"accounts": Int8(wanted.closing)}))
        few = len(wanted.accounts) <= FEW_ACCOUNTS
        if due and wanted.accounts:
            statements.append(self._due_items(due, wanted.accounts, wanted.items_max, few))
        rows = dict(zip((name for name, _ in statements), self._run(*statements), strict=True))
        found = rows.get("due_items_of_few", rows.get("due_items_of_many", []))
        each = few and not wanted.together
        items, unfinished = _bound(cast(list[Item], found), wanted.accounts, wanted.items_max, each)
        if unfinished and rows["stuck_items"] and not each:
            held = {account for account, _, _ in rows["stuck_items"]}
            items, unfinished = self._items_beside(held, due, wanted)
        expiring: dict[int, list[Hold]] = {}
        holds = {(row[0], row[1]): Hold(*row) for row in rows.get("holds", [])}
        for row in rows["expiring_holds"]:
            hold = holds.get((row[0], row[1])) or Hold(*row)
            expiring.setdefault(hold.account, []).append(hold)
        return Book(
            date=day.date,
            accounts={row[0]: Account(*row) for row in rows["lock_accounts"]},
            items=items,
            runs=day.runs,
            unfinished=unfinished,
            stuck={(run, item) for _, run, item in rows["stuck_items"]},
            mandates=self._mandates(day, items),
            expiring=expiring,
            holds=holds,
            requests={(row[0], row[1]): outcome_of(row) for row in rows.get("requests", [])},
            reversed={(client, key) for client, key in rows.get("reversed", [])},
            with_runs={account for (account,) in rows.get("accounts_with_runs", [])},
        )

    def _due_items(
        self, due: Sequence[Run], accounts: Sequence[int], items_max: int, few: bool
    ) -> tuple[str, dict[str, Any]]:
        dates = [run.due for run in due]
        parameters = {
            "cell": self.cell,
            "accounts": Int8(accounts),
            "runs": Int4([run.run for run in due]),
            "dates": Date(dates),
            "items_max": items_max + 1,
        }
        if few:
            return "due_items_of_few", parameters
        return "due_items_of_many", parameters | {"date_min": min(dates), "date_max": max(dates)}

    def _items_beside(self, held: set[int], due: Sequence[Run], wanted: Wanted) -> tuple[list[Item], set[int]]:
        """Look up the accounts that a stuck item holds by themselves: what waits behind it would fill the bound of all,
        and nobody else's turn would ever come (O-9).
        """
        others = [account for account in wanted.accounts if account not in held]
        of_others, of_held = self._run(
            self._due_items(due, others, wanted.items_max, len(others) <= FEW_ACCOUNTS),
            self._due_items(due, sorted(held), wanted.items_max, True),
        )
        items, unfinished = _bound(cast(list[Item], of_others), others, wanted.items_max, False)
        items_held, unfinished_held = _bound(cast(list[Item], of_held), sorted(held), wanted.items_max, True)
        return items + items_held, unfinished | unfinished_held

    def _mandates(self, day: Day, items: Sequence[Item]) -> dict[tuple[int, int], MandateState]:
        asking = {run.run for run in day.runs.values() if run.originator is not None}
        if not asking:
            return {}
        asked = [row for row in items if row[1] in asking]
        if not asked:
            return {}
        runs = [day.runs[row[1]] for row in asked]
        parameters = {
            "runs": Int4([run.run for run in runs]),
            "items": Int4([row[2] for row in asked]),
            "dates": Date([run.due for run in runs]),
            "originators": Text([run.originator for run in runs]),
            "accounts": Int8([row[0] for row in asked]),
            "customers": Text([row[5] or "" for row in asked]),
        }
        [rows] = self._run(("mandates", parameters))
        return {(run, item): MandateState(state) for run, item, state in rows}

    def save(self, changes: Changes) -> None:
        here = {"cell": self.cell, "date": changes.date}
        statements: list[tuple[str, dict[str, Any], int]] = []
        if changes.opened:
            statements.extend(self._opened(changes))
        if changes.accounts:
            statements.append(("update_accounts", here | _account_columns(changes), len(changes.accounts)))
        if changes.changed:
            changed = {account.account: account for account in changes.changed}.values()
            parameters = here | {
                "accounts": Int8([account.account for account in changed]),
                "statuses": Int2([account.status for account in changed]),
                "floors": Int8([account.floor_yen for account in changed]),
            }
            statements.append(("change_accounts", parameters, len(changed)))
        if changes.item_entries.account:
            statements.append(
                ("insert_item_entries", here | _item_entry_columns(changes), len(changes.item_entries.account))
            )
        if changes.results.run:
            statements.append(("insert_results", here | _result_columns(changes), len(changes.results.run)))
        if changes.outcomes:
            statements.extend(request_statements(here, changes))
        if changes.holds_placed:
            statements.append(("insert_holds", here | _hold_columns(changes.holds_placed), len(changes.holds_placed)))
        if changes.holds_ended:
            parameters = here | {
                "statuses": Int2([hold.status for hold in changes.holds_ended]),
                "captureds": Int8([hold.captured_yen for hold in changes.holds_ended]),
                "clients": Text([hold.client for hold in changes.holds_ended]),
                "keys": Uuid([hold.key for hold in changes.holds_ended]),
            }
            statements.append(("end_holds", parameters, len(changes.holds_ended)))
        self._save(statements)

    def _save(self, statements: list[tuple[str, dict[str, Any], int]]) -> None:
        """Send all in one round trip; each must have written exactly the rows it was given."""
        cursors = []
        with self.connection.pipeline():
            for name, parameters, _ in statements:
                cursors.append(self.connection.execute(SQL[name], parameters, prepare=True))
        for (name, _, expected), cursor in zip(statements, cursors, strict=True):
            if cursor.rowcount != expected:
                raise LawBroken(f"law 1: {name} wrote {cursor.rowcount} rows, expected {expected}")

    def _opened(self, changes: Changes) -> list[tuple[str, dict[str, Any], int]]:
        accounts = [new.account for new in changes.opened]
        numbers = Int8([account.account for account in accounts])
        named = [new for new in changes.opened if new.name_kana]
        statements = [
            (
                "insert_accounts",
                {
                    "cell": self.cell,
                    "accounts": numbers,
                    "balances": Int8([account.balance_yen for account in accounts]),
                    "helds": Int8([account.held_yen for account in accounts]),
                    "floors": Int8([account.floor_yen for account in accounts]),
                    "sequences": Int8([account.sequence for account in accounts]),
                    "statuses": Int2([account.status for account in accounts]),
                    "products": Int2([account.product for account in accounts]),
                },
                len(accounts),
            )
        ]
        if named:
            parameters = {
                "cell": self.cell,
                "accounts": Int8([new.account.account for new in named]),
                "names": Text([new.name_kana for new in named]),
            }
            statements.append(("insert_holders", parameters, len(named)))
        return statements

    def mark_stuck(self, item: Item, error: str) -> None:
        parameters = {"cell": self.cell, "account": item.account, "run": item.run, "item": item.item, "error": error}
        self._run(("mark_stuck", parameters))

    def take_stuck(self, run: int, item: int) -> int | None:
        [rows] = self._run(("take_stuck", {"cell": self.cell, "run": run, "item": item}))
        return rows[0][0] if rows else None

    def list_stuck(self, runs: Sequence[int]) -> list[StuckItem]:
        [rows] = self._run(("list_stuck", {"runs": Int4(runs)}))
        return [StuckItem(*row) for row in rows]


class PostgresStore:
    """Units on one connection, which is this store's own: a store is used by one thread at a time."""

    def __init__(self, connection: psycopg.Connection[Any], *, cell: int = 0) -> None:
        if not connection.autocommit:  # a unit would be a savepoint, and what is answered not committed
            raise ValueError("a store needs a connection in autocommit mode")
        self.connection = connection
        self.cell = cell

    @contextmanager
    def unit(self) -> Iterator[PostgresUnit]:
        committing = False
        try:
            with self.connection.transaction():
                yield PostgresUnit(self.connection, self.cell)
                committing = True
        except _CONFLICTS as error:
            if isinstance(error, errors.UniqueViolation) and (error.diag.table_name or "").startswith("entry_"):
                raise LawBroken(f"law 3: an account would have two entries of one sequence: {error}") from error
            raise Conflict(str(error)) from error
        except psycopg.Error as error:
            if self.connection.broken:
                raise OutcomeUnknown(
                    "the database connection was lost; repeat the key to learn the outcome", committing=committing
                ) from error
            if _fails_for_all(error):
                raise StoreFailed(str(error)) from error
            raise


_FAILS_FOR_ALL = ("08", "25", "28", "3D", "3F", "40", "42", "53", "55", "57", "58", "F0", "XX")
"""Classes of SQLSTATE that say nothing about what was asked: connection, read-only, rights, missing objects, resources,
locks, shutting down, disk, damaged data."""


def _fails_for_all(error: psycopg.Error) -> bool:
    """Whether the database would fail anybody just now, so that no item or request must bear the blame (O-9)."""
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError)
    no_partition = isinstance(error, errors.CheckViolation) and not error.diag.constraint_name
    return error.sqlstate[:2] in _FAILS_FOR_ALL or no_partition


def _bound(rows: list[Item], accounts: Sequence[int], items_max: int, each: bool) -> tuple[list[Item], set[int]]:
    """Cut what was loaded to the bound of O-8 and name the accounts that have more.

    One row beyond the bound was asked for. The bound is each account's own, or else the batch's, and then every account
    from the cut on may have more.
    """
    if len(rows) <= items_max:
        return rows, set()
    if not each:
        cut = rows[items_max][0]
        return rows[:items_max], {account for account in accounts if account >= cut}
    kept: list[Item] = []
    counts: dict[int, int] = {}
    for row in rows:
        counts[row[0]] = counts.get(row[0], 0) + 1
        if counts[row[0]] <= items_max:
            kept.append(row)
    return kept, {account for account, count in counts.items() if count > items_max}


def _keys(keys: Sequence[Key]) -> dict[str, Any]:
    return {"clients": Text([client for client, _ in keys]), "keys": Uuid([key for _, key in keys])}


def _account_columns(changes: Changes) -> dict[str, Any]:
    accounts = changes.accounts.values()
    return {
        "accounts": Int8([account.account for account in accounts]),
        "balances": Int8([account.balance_yen for account in accounts]),
        "helds": Int8([account.held_yen for account in accounts]),
        "sequences": Int8([account.sequence for account in accounts]),
    }


def _item_entry_columns(changes: Changes) -> dict[str, Any]:
    entries = changes.item_entries
    return {
        "contra": int(Code.RUN_SUSPENSE),
        "accounts": Int8(entries.account),
        "sequences": Int8(entries.sequence),
        "amounts": Int8(entries.amount_yen),
        "balances": Int8(entries.balance_yen),
        "runs": Int4(entries.run),
        "items": Int4(entries.item),
        "value_dates": Date(entries.value_date),
    }


def _result_columns(changes: Changes) -> dict[str, Any]:
    results = changes.results
    return {
        "before": changes.by_before,
        "runs": Int4(results.run),
        "items": Int4(results.item),
        "reasons": Int2(results.reason),
        "sequences": Int8(results.sequence),
        "balances": Int8(results.balance_yen),
    }


def _hold_columns(holds: Sequence[Hold]) -> dict[str, Any]:
    return {
        "accounts": Int8([hold.account for hold in holds]),
        "amounts": Int8([hold.amount_yen for hold in holds]),
        "expires": [hold.expires_on for hold in holds],
        "clients": Text([hold.client for hold in holds]),
        "keys": Uuid([hold.key for hold in holds]),
    }
