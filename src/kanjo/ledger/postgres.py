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
from kanjo.ledger.instruction import Kind, Movement
from kanjo.ledger.outcome import Outcome, Touch
from kanjo.ledger.postgres_stretch import item_statements, load_stretch, span_statement
from kanjo.ledger.reason import Reason
from kanjo.ledger.store import Conflict, Day, OutcomeUnknown, StoreFailed, due_runs
from kanjo.ledger.stretch import StretchBook, StretchChanges, StretchWanted

SQL = Queries("kanjo.ledger")
DAY_LOCK = 0x4B414E4A4F
"""The advisory lock of the business date: shared by postings, exclusive for `day open` (O-10)."""
DAY_LOCK_WAIT_MS = 100
"""How long the doors may be held up by one who wants the day for himself; then he tries again (O-10)."""
DAY_HELD_SILENT_MS = 3_000
"""Who has the day for himself and falls silent (his line is dead, his process stopped) is undone by the server after so
long: all doors wait for him."""

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

    def ask(self, *statements: tuple[str, dict[str, Any]]) -> list[psycopg.Cursor[tuple[Any, ...]]]:
        """Send the statements in one round trip."""
        cursors = []
        with self.connection.pipeline():
            for name, parameters in statements:
                cursor = self.connection.cursor(binary=True)
                cursor.execute(SQL[name], parameters, prepare=True)
                cursors.append(cursor)
        return cursors

    def _run(self, *statements: tuple[str, dict[str, Any]]) -> list[list[tuple[Any, ...]]]:
        """Send the statements in one round trip and fetch all their rows."""
        return [cursor.fetchall() if cursor.description else [] for cursor in self.ask(*statements)]

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
        if due and wanted.accounts:
            due_items = here | {
                "runs": Int4([run.run for run in due]),
                "dates": Date([run.due for run in due]),
                "items_max": wanted.items_max + 1,
            }
            statements.append(("due_items", due_items))
        rows = dict(zip((name for name, _ in statements), self._run(*statements), strict=True))
        held = {account for account, _, _ in rows["stuck_items"]}
        items, unfinished = _bound(cast(list[Item], rows.get("due_items", [])), wanted, held)
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
            requests={(row[0], row[1]): _outcome(row) for row in rows.get("requests", [])},
            reversed={(client, key) for client, key in rows.get("reversed", [])},
            with_runs={account for (account,) in rows.get("accounts_with_runs", [])},
        )

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
        # an account is opened before its first entry changes it
        self._save([*self._opened(changes), *item_statements(here, changes), *self._others(here, changes)])

    def load_stretch(self, day: Day, wanted: StretchWanted) -> StretchBook | None:
        return load_stretch(self, day, wanted)

    def save_stretch(self, changes: StretchChanges) -> None:
        here = {"cell": self.cell, "date": changes.rest.date}
        statements = [*item_statements(here, changes.rest, changes.plain), *self._others(here, changes.rest)]
        if changes.span is not None:
            statements.append(span_statement(here, changes.span))
        self._save(statements)

    @staticmethod
    def _others(here: dict[str, Any], changes: Changes) -> list[tuple[str, dict[str, Any], int]]:
        statements: list[tuple[str, dict[str, Any], int]] = []
        if changes.changed:
            changed = {account.account: account for account in changes.changed}.values()
            parameters = here | {
                "accounts": Int8([account.account for account in changed]),
                "statuses": Int2([account.status for account in changed]),
                "floors": Int8([account.floor_yen for account in changed]),
            }
            statements.append(("change_accounts", parameters, len(changed)))
        if changes.outcomes:
            statements.extend(_request_statements(here, changes))
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
        return statements

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
        if not changes.opened:
            return []
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


def _bound(rows: list[Item], wanted: Wanted, held: set[int]) -> tuple[list[Item], set[int]]:
    """Cut what was loaded to the bound of O-8 and name the accounts that have more.

    One row beyond the bound was asked for, of each account. With `together` the bound is that of all accounts, and each
    account from the cut on may have more; those that a stuck item holds are bounded by themselves, or what waits behind
    it would fill the bound, and nobody else's turn would ever come (O-9).
    """
    if len(rows) <= wanted.items_max:
        return rows, set()
    kept: list[Item] = []
    counts: dict[int, int] = {}
    unfinished: set[int] = set()
    cut: int | None = None
    for row in rows:
        account = row[0]
        bounded = 0 if wanted.together and account not in held else account
        counts[bounded] = counts.get(bounded, 0) + 1
        if counts[bounded] <= wanted.items_max:
            kept.append(row)
        else:
            unfinished.add(account)
            cut = account if not bounded and cut is None else cut
    if cut is not None:
        unfinished.update(account for account in wanted.accounts if account >= cut and account not in held)
    return kept, unfinished


def _keys(keys: Sequence[Key]) -> dict[str, Any]:
    return {"clients": Text([client for client, _ in keys]), "keys": Uuid([key for _, key in keys])}


def _outcome(row: tuple[Any, ...]) -> Outcome:
    client, key, fingerprint, kind, reason, on, value_date, run, reference = row[:9]
    debits, credits_, amounts, accounts, sequences, balances = row[9:]
    return Outcome(
        client=client,
        key=key,
        fingerprint=fingerprint,
        kind=Kind(kind),
        reason=Reason(reason),
        business_date=on,
        value_date=value_date,
        run=run or 0,
        reference=reference,
        movements=tuple(map(Movement, debits, credits_, amounts)),
        touched=tuple(map(Touch, accounts, sequences, balances)),
    )


def _hold_columns(holds: Sequence[Hold]) -> dict[str, Any]:
    return {
        "accounts": Int8([hold.account for hold in holds]),
        "amounts": Int8([hold.amount_yen for hold in holds]),
        "expires": [hold.expires_on for hold in holds],
        "clients": Text([hold.client for hold in holds]),
        "keys": Uuid([hold.key for hold in holds]),
    }


def _array(values: Sequence[int]) -> str:
    return "{" + ",".join(map(str, values)) + "}"


def _request_statements(here: dict[str, Any], changes: Changes) -> list[tuple[str, dict[str, Any], int]]:
    statements: list[tuple[str, dict[str, Any], int]] = []
    outcomes = sorted(changes.outcomes, key=lambda outcome: (outcome.client, outcome.key))
    parameters = here | {
        "clients": Text([outcome.client for outcome in outcomes]),
        "keys": Uuid([outcome.key for outcome in outcomes]),
        "fingerprints": Uuid([outcome.fingerprint for outcome in outcomes]),
        "kinds": Int2([outcome.kind for outcome in outcomes]),
        "reasons": Int2([outcome.reason for outcome in outcomes]),
        "value_dates": Date([outcome.value_date or changes.date for outcome in outcomes]),
        "runs": Int4([outcome.run for outcome in outcomes]),
        "references": Uuid([outcome.reference for outcome in outcomes]),
        "debits": Text([_array([m.debit for m in outcome.movements]) for outcome in outcomes]),
        "credits": Text([_array([m.credit for m in outcome.movements]) for outcome in outcomes]),
        "amounts": Text([_array([m.amount_yen for m in outcome.movements]) for outcome in outcomes]),
        "accounts": Text([_array([t.account for t in outcome.touched]) for outcome in outcomes]),
        "sequences": Text([_array([t.sequence for t in outcome.touched]) for outcome in outcomes]),
        "balances": Text([_array([t.balance_yen for t in outcome.touched]) for outcome in outcomes]),
    }
    entries = list(changes.request_entries())
    if entries:
        columns = here | {
            "accounts": Int8([entry[1] for entry in entries]),
            "sequences": Int8([entry[2] for entry in entries]),
            "amounts": Int8([entry[3] for entry in entries]),
            "balances": Int8([entry[4] for entry in entries]),
            "contras": Int8([entry[5] for entry in entries]),
            **_cause_columns([entry[0] for entry in entries], changes.date),
        }
        statements.append(("insert_request_entries", columns, len(entries)))
    internal = list(changes.internal_entries())
    if internal:
        columns = here | {
            "debits": Int8([entry[1] for entry in internal]),
            "credits": Int8([entry[2] for entry in internal]),
            "amounts": Int8([entry[3] for entry in internal]),
            **_cause_columns([entry[0] for entry in internal], changes.date),
        }
        statements.append(("insert_internal_entries", columns, len(internal)))
    statements.append(("insert_requests", parameters, len(outcomes)))
    return statements


def _cause_columns(outcomes: Sequence[Outcome], today: date) -> dict[str, Any]:
    return {
        "kinds": Int2([outcome.kind for outcome in outcomes]),
        "value_dates": Date([outcome.value_date or today for outcome in outcomes]),
        "runs": Int4([outcome.run for outcome in outcomes]),
        "clients": Text([outcome.client for outcome in outcomes]),
        "keys": Uuid([outcome.key for outcome in outcomes]),
    }
