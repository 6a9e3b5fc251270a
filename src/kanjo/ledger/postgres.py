"""The ledger on PostgreSQL: columns in, columns out, one round trip to load and one to save."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, cast

import psycopg
from psycopg import errors
from psycopg.pq import ConnStatus, TransactionStatus

from kanjo.db import Database
from kanjo.db.columns import Date, Int2, Int4, Int8, Text, Tid, Uuid
from kanjo.db.explain import PASSING, explain
from kanjo.db.line import STALE, Found, Line, Statement
from kanjo.db.queries import Queries
from kanjo.ledger.account import Account
from kanjo.ledger.book import Book, Changes, Hold, Item, Key, LawBroken, MandateState, Run, StuckItem, Wanted
from kanjo.ledger.postgres_stretch import item_statements, load_stretch, span_statement
from kanjo.ledger.request_rows import outcome_of, request_statements
from kanjo.ledger.store import CommitTooWeak, Conflict, Day, OutcomeUnknown, StoreAway, StoreFailed, bounded, due_runs
from kanjo.ledger.stretch import StretchBook, StretchChanges, StretchWanted

SQL = Queries("kanjo.ledger")
SILENT_S = 8.0
"""No commit of a door takes so long. Callers of a frozen server wait so long until another one is asked: its lease has
ended by then.
"""
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


_SHARE_DAY: tuple[str, dict[str, Any]] = ("share_day", {"lock": DAY_LOCK})


class PostgresUnit:
    """One transaction on one connection; it begins with the first statement, in the same round trip."""

    def __init__(self, line: Line, cell: int, due_lately: list[Run]) -> None:
        self.cell = cell
        self.begun = False
        self.committing = False
        """Whether COMMIT was sent, so that a lost connection leaves the outcome unknown."""
        self._line = line
        self._due_lately = due_lately
        self._places: dict[int, bytes] = {}
        """Where the locked accounts lie."""

    @property
    def connection(self) -> psycopg.Connection[Any]:
        """For the caller's own statements in this transaction."""
        if not self.begun:
            self._run()
        return self._line.connection

    def ask(self, *statements: tuple[str, dict[str, Any]]) -> list[Found]:
        """Send the statements in one round trip."""
        return self._exchange([(SQL[name], parameters) for name, parameters in statements])

    def _run(self, *statements: tuple[str, dict[str, Any]]) -> list[list[tuple[Any, ...]]]:
        """Send the statements in one round trip and fetch all their rows."""
        return [found.rows for found in self.ask(*statements)]

    def _exchange(self, statements: list[Statement]) -> list[Found]:
        assert not self.committing
        if self.begun:
            return self._line.exchange(statements)
        if self._line.connection.pgconn.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
            raise RuntimeError("a unit inside of a transaction would end it")
        self.begun = True
        return self._line.exchange([(SQL["begin"], {}), *statements])[1:]

    def day(self) -> Day:
        rows = self._named(_SHARE_DAY, ("read_day_and_runs", {}))
        _require_level(rows["share_day"])
        return _day(rows["read_day_and_runs"])

    def take_day(self) -> None:
        rows = self._named(
            ("wait_shortly", {"wait": f"{DAY_LOCK_WAIT_MS}ms"}),
            ("take_day", {"lock": DAY_LOCK}),
            ("wait_and_hold", {"silent": f"{DAY_HELD_SILENT_MS}ms"}),
        )
        _require_level(rows["take_day"])

    def accounts_behind(self, reversals: Sequence[Key], holds: Sequence[Key]) -> set[int]:
        rows = self._run(("accounts_of_requests", _keys(reversals)), ("accounts_of_holds", _keys(holds)))
        return {account for part in rows for (account,) in part}

    def load(self, day: Day, wanted: Wanted) -> Book:
        here = self._here(wanted)
        statements = [("lock_accounts", here), ("stuck_items", here), ("expiring_holds", here)]
        due = self._due_items(due_runs(day, wanted), wanted)
        return self._book(day, wanted, self._named(*statements, *self._referred(wanted), *due))

    def load_today(self, wanted: Wanted) -> Book | None:
        here = self._here(wanted)
        statements = [_SHARE_DAY, ("lock_accounts", here), ("read_day_and_standing", here), *self._referred(wanted)]
        rows = self._named(*statements, *self._due_items(self._due_lately, wanted))
        _require_level(rows["share_day"])
        standing = rows["read_day_and_standing"]
        day = _day(standing)
        if day.date is None:
            return None
        more = []
        if (due := due_runs(day, wanted)) != self._due_lately:  # what was read of others is as if it had not been
            rows.pop("due_items", None)
            more = self._due_items(due, wanted)
            self._due_lately[:] = due
        *_, is_stuck, is_expiring = standing[0]
        if is_stuck:
            more.append(("stuck_items", here))
        if is_expiring:
            more.append(("expiring_holds", here))
        return self._book(day, wanted, rows | self._named(*more))

    def _here(self, wanted: Wanted) -> dict[str, Any]:
        return {"cell": self.cell, "accounts": Int8(wanted.accounts)}

    def _named(self, *statements: tuple[str, dict[str, Any]]) -> dict[str, list[tuple[Any, ...]]]:
        """The rows by the names of their statements."""
        rows = self._run(*statements) if statements else []
        return dict(zip((name for name, _ in statements), rows, strict=True))

    @staticmethod
    def _referred(wanted: Wanted) -> list[tuple[str, dict[str, Any]]]:
        """What is read of other requests, holds and runs that the instructions refer to; mostly nothing."""
        statements = []
        if wanted.keys or wanted.reversals:
            statements.append(("requests", _keys([*wanted.keys, *wanted.reversals])))
        if wanted.reversals:
            statements.append(("reversed", _keys(wanted.reversals)))
        if wanted.holds:
            statements.append(("holds", _keys(wanted.holds)))
        if wanted.closing:
            statements.append(("accounts_with_runs", {"accounts": Int8(wanted.closing)}))
        return statements

    def _book(self, day: Day, wanted: Wanted, rows: dict[str, list[tuple[Any, ...]]]) -> Book:
        assert day.date is not None
        locked = rows["lock_accounts"]
        self._places.update((row[0], row[-1]) for row in locked)
        stuck = rows.get("stuck_items", [])
        held = {account for account, _, _ in stuck}
        items, unfinished = bounded(cast(list[Item], rows.get("due_items", [])), wanted, held)
        expiring: dict[int, list[Hold]] = {}
        holds = {(row[0], row[1]): Hold(*row) for row in rows.get("holds", [])}
        for row in rows.get("expiring_holds", []):
            hold = holds.get((row[0], row[1])) or Hold(*row)
            expiring.setdefault(hold.account, []).append(hold)
        return Book(
            date=day.date,
            accounts={row[0]: Account(*row[:-1]) for row in locked},
            items=items,
            runs=day.runs,
            unfinished=unfinished,
            stuck={(run, item) for _, run, item in stuck},
            mandates=self._mandates(day, items),
            expiring=expiring,
            holds=holds,
            requests={(row[0], row[1]): outcome_of(row) for row in rows.get("requests", [])},
            reversed={(client, key) for client, key in rows.get("reversed", [])},
            with_runs={account for (account,) in rows.get("accounts_with_runs", [])},
        )

    def _due_items(self, due: Sequence[Run], wanted: Wanted) -> list[tuple[str, dict[str, Any]]]:
        if not due or not wanted.accounts:
            return []
        parameters = {
            "cell": self.cell,
            "accounts": Int8(wanted.accounts),
            "runs": Int4([run.run for run in due]),
            "dates": Date([run.due for run in due]),
            "items_max": wanted.items_max + 1,
        }
        return [("due_items", parameters)]

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
        self._save(self._changes(changes))

    def finish(self, changes: Changes) -> None:
        # what was only read may be known here alone: it is told behind a commit that waits as all others do
        self._commit(_counted(self._changes(changes)) or [(SQL["make_commit_wait"], {})])

    def _commit(self, statements: list[Statement]) -> None:
        """Send COMMIT behind the statements, in one round trip: when one of them fails, it is not executed."""
        self.committing = True
        self._line.exchange([*statements, (SQL["commit"], {})])
        if NOT_CONFIRMED in self._line.warnings:
            raise OutcomeUnknown("committed here, but nobody confirmed it elsewhere; repeat the key to learn more")

    def end(self, *, undo: bool) -> None:
        """Commit or undo what was begun, unless that is done already."""
        connection = self._line.connection
        if not self.begun or connection.info.transaction_status == TransactionStatus.IDLE:
            return
        if not undo:
            if connection.info.transaction_status == TransactionStatus.INERROR:  # its COMMIT would be a ROLLBACK
                raise RuntimeError("a statement failed and was passed over: nothing of the unit can be committed")
            self._commit([])
        elif connection.pgconn.status == ConnStatus.OK:
            self._line.exchange([(SQL["rollback"], {})])

    def _changes(self, changes: Changes) -> list[tuple[str, dict[str, Any], int]]:
        """The statements that write them, each with the number of rows it must write (law 1)."""
        here = {"cell": self.cell, "date": changes.date}
        # an account is opened before its first entry, and as the last one leaves it
        opened = {new.account.account for new in changes.opened}
        locked = [account for account in changes.accounts.values() if account.account not in opened]
        return [
            *self._opened(changes),
            *self._update(locked),
            *item_statements(here, changes),
            *self._others(here, changes),
        ]

    def _update(self, accounts: Collection[Account]) -> list[tuple[str, dict[str, Any], int]]:
        """Accounts loaded in this unit. Once written they lie elsewhere: each must be loaded again before the next."""
        if not accounts:
            return []
        parameters = {
            "places": Tid([self._places.pop(account.account) for account in accounts]),
            "balances": Int8([account.balance_yen for account in accounts]),
            "helds": Int8([account.held_yen for account in accounts]),
            "sequences": Int8([account.sequence for account in accounts]),
        }
        return [("update_locked", parameters, len(accounts))]

    def load_stretch(self, day: Day, wanted: StretchWanted) -> StretchBook | None:
        return load_stretch(self, day, wanted)

    def save_stretch(self, changes: StretchChanges) -> None:
        here = {"cell": self.cell, "date": changes.rest.date}
        statements = [
            *self._update(changes.rest.accounts.values()),
            *item_statements(here, changes.rest, changes.plain),
            *self._others(here, changes.rest),
        ]
        if changes.span is not None:
            statements.append(span_statement(here, changes.span))
        self._save(statements)

    def _save(self, statements: list[tuple[str, dict[str, Any], int]]) -> None:
        """Send all in one round trip; each must have written exactly the rows it was given."""
        if not statements:
            return
        written = self._exchange([(SQL[name], parameters) for name, parameters, _ in statements])
        for (name, _, expected), found in zip(statements, written, strict=True):
            if found.rows_count != expected:
                raise LawBroken(f"law 1: {name} wrote {found.rows_count} rows, expected {expected}")

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
        return statements

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
        if not connection.autocommit:  # what is answered would not be committed
            raise ValueError("a store needs a connection in autocommit mode")
        self.connection = connection
        self.cell = cell
        self._line = Line(connection)
        self._due_lately: list[Run] = []
        """The runs that were due at the last posting: most likely they are now, and the day lock's read will tell."""

    def give_up_after(self, silent_s: float) -> None:
        """Take a server that says nothing for so long as lost."""
        self._line.silent_s = silent_s

    def close(self) -> None:
        """Close its connection."""
        self.connection.close()

    def confirm(self) -> None:
        """Return once what was read so far is known wherever a commit must be (R4). Errors: those of a unit."""
        with self.unit() as unit:
            unit.ask(("make_commit_wait", {}))

    @contextmanager
    def unit(self) -> Iterator[PostgresUnit]:
        unit = PostgresUnit(self._line, self.cell, self._due_lately)
        try:
            try:
                yield unit
                unit.end(undo=False)
            except BaseException:
                unit.end(undo=True)
                raise
        except STALE as error:  # what was prepared is forgotten now, so the next try makes it anew
            raise Conflict(str(error)) from error
        except _CONFLICTS as error:
            if isinstance(error, errors.UniqueViolation) and (error.diag.table_name or "").startswith("entry_"):
                raise LawBroken(f"law 3: an account would have two entries of one sequence: {error}") from error
            raise Conflict(str(error)) from error
        except psycopg.Error as error:
            if self.connection.closed:
                raise OutcomeUnknown(
                    "the database connection was lost; repeat the key to learn the outcome", committing=unit.committing
                ) from error
            if error.diag.sqlstate == LAW_1_STATE:
                raise LawBroken(str(error.diag.message_primary)) from error
            if _fails_for_all(error):
                failure = StoreAway if explain(error).code in PASSING else StoreFailed
                raise failure(str(error)) from error
            raise


NOT_CONFIRMED = "01000"
"""The SQLSTATE of the warning under which COMMIT returns when its wait for another server was broken off: it is
committed here, and perhaps nowhere else."""
LEVELS = ("off", "local", "remote_write", "on", "remote_apply")
"""Of `synchronous_commit`, the weakest first."""


def _require_level(rows: list[tuple[Any, ...]]) -> None:
    """Any session could set `synchronous_commit` lower for itself; what the server demands is another setting."""
    [(*_, level, demanded)] = rows
    if demanded and (demanded not in LEVELS or LEVELS.index(level) < LEVELS.index(demanded)):
        raise CommitTooWeak(f"synchronous_commit is {level} here, and this server demands {demanded}")


LAW_1_STATE = "KJ002"
"""The SQLSTATE of `ledger.require_written`."""


_TOGETHER = ("update_locked", "insert_request_entries", "insert_requests")


def _counted(statements: list[tuple[str, dict[str, Any], int]]) -> list[Statement]:
    """The statements, failing unless they write as many rows as expected: in one round trip with COMMIT nobody else
    could look at that in time (law 1). Those that nearly every posting of a door writes become one.
    """
    parts = {name: (parameters, expected) for name, parameters, expected in statements if name in _TOGETHER}
    if len(parts) < len(_TOGETHER):
        return [(_counted_text(name), parameters | {"expected": count}) for name, parameters, count in statements]
    together: dict[str, Any] = {}
    for name, (parameters, expected) in parts.items():
        together |= parameters
        together[name] = expected
    apart = [one for one in statements if one[0] not in _TOGETHER]
    return [*_counted(apart), (_together_text(), together)]


@cache
def _counted_text(name: str) -> str:
    return SQL["counted"].replace("/* statement */", SQL[name]).replace("/* name */", name)


@cache
def _together_text() -> str:
    text = SQL["counted_together"]
    for name in _TOGETHER:
        text = text.replace(f"/* {name} */", SQL[name])
    return text


def _day(rows: list[tuple[Any, ...]]) -> Day:
    """The date stands in each row; the one row without a run has NULL for it."""
    return Day(rows[0][0], {row[1]: Run(*row[1:7]) for row in rows if row[1] is not None})


_FAILS_FOR_ALL = ("08", "25", "28", "3D", "3F", "40", "42", "53", "55", "57", "58", "F0", "XX")
"""Classes of SQLSTATE that say nothing about what was asked: connection, read-only, rights, missing objects, resources,
locks, shutting down, disk, damaged data."""


def _fails_for_all(error: psycopg.Error) -> bool:
    """Whether the database would fail anybody just now, so that no item or request must bear the blame (O-9)."""
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError)
    no_partition = isinstance(error, errors.CheckViolation) and not error.diag.constraint_name
    return error.sqlstate[:2] in _FAILS_FOR_ALL or no_partition


def _keys(keys: Sequence[Key]) -> dict[str, Any]:
    return {"clients": Text([client for client, _ in keys]), "keys": Uuid([key for _, key in keys])}


def _hold_columns(holds: Sequence[Hold]) -> dict[str, Any]:
    return {
        "accounts": Int8([hold.account for hold in holds]),
        "amounts": Int8([hold.amount_yen for hold in holds]),
        "expires": Text([hold.expires_on and hold.expires_on.isoformat() for hold in holds]),
        "clients": Text([hold.client for hold in holds]),
        "keys": Uuid([hold.key for hold in holds]),
    }


def store_of(database: Database, *, silent_s: float = SILENT_S) -> PostgresStore:
    """A store to post with, on a server that answers; see `Database.connect` for the errors."""
    store = PostgresStore(database.connect(autocommit=True, to_post=True))
    store.give_up_after(silent_s)
    return store
