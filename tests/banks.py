"""A small bank to test the ledger with: the same few words put accounts, runs and items into either store, and read
back what became of them.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Any, NamedTuple, Protocol
from uuid import UUID, uuid5

import msgspec
import psycopg

from kanjo import ledger
from kanjo.db import Database
from kanjo.ledger import Code, HoldStatus, ItemKind, Kind, Outcome, Phase, Reason, Status
from kanjo.ledger.memory import MandateRow

MONDAY = date(2026, 8, 24)
TUESDAY = date(2026, 8, 25)
WEDNESDAY = date(2026, 8, 26)
CLIENT = "door-1"
CREDIT, DEBIT = int(ItemKind.CREDIT), int(ItemKind.DEBIT)

_KEYS = UUID("5c0d3c4e-0000-4000-8000-000000000000")


def key(name: object) -> UUID:
    """A key that is the same in every run of the tests."""
    return uuid5(_KEYS, str(name))


def number(index: int) -> int:
    """The account number of branch 001, ordinary, `index`."""
    return ledger.account_number(1, 1, index)


class Balance(NamedTuple):
    balance_yen: int
    held_yen: int
    sequence: int


class Entry(NamedTuple):
    """One row of `ledger.entry` as tests look at it."""

    account: int
    sequence: int
    amount_yen: int
    balance_yen: int
    contra: int
    date: datetime.date
    value_date: datetime.date
    kind: int
    run: int | None
    item: int | None
    client: str | None
    key: UUID | None


class Result(NamedTuple):
    """One row of `ledger.result` without its run and item."""

    reason: Reason
    date: datetime.date
    sequence: int
    balance_yen: int
    before: bool


class Bank(Protocol):
    """What a test may do to a store beside the ledger's own face."""

    store: Any

    def open(self, opened: date) -> None: ...

    def account(
        self,
        account: int,
        balance_yen: int = 0,
        *,
        status: Status = Status.OPEN,
        floor_yen: int = 0,
    ) -> int: ...

    def run(
        self,
        due: date,
        *,
        phase: Phase = Phase.PRE_BUSINESS,
        priority: int = 40,
        originator: str | None = None,
        account: int | None = None,
    ) -> int: ...

    def items(self, run: int, rows: Iterable[tuple[int, int, int] | tuple[int, int, int, str]], first: int = 1) -> None:
        """Rows of (account, kind, amount) or (account, kind, amount, customer), numbered from `first`."""

    def cancel(self, run: int) -> None: ...

    def close(self, run: int) -> None: ...

    def mandates(self, originator: str, from_date: date, rows: Sequence[tuple[int, str, date, bool]]) -> None:
        """A list that counts from `from_date`, with rows of (account, customer, from date, stopped)."""

    def results(self, run: int) -> dict[int, Result]: ...

    def entries(self, account: int | None = None) -> list[Entry]: ...

    def balances(self) -> dict[int, Balance]: ...

    def requests(self) -> dict[UUID, Reason]: ...

    def holds(self) -> dict[UUID, HoldStatus]: ...

    def stuck(self) -> set[tuple[int, int]]: ...

    def poison(self, account: int) -> None:
        """Let every credit to the account fail unexpectedly, and debits too where the store cannot tell."""

    def cure(self, account: int, balance_yen: int) -> None:
        """Undo `poison`."""


def reasons(bank: Bank, run: int) -> dict[int, Reason]:
    """What became of the items of a run."""
    return {item: result.reason for item, result in bank.results(run).items()}


def prove(bank: Bank) -> None:
    """Laws 1 and 3 from the rows themselves: entries add up to balances, and are numbered without gaps."""
    balances = bank.balances()
    at = dict.fromkeys(balances, (0, 0))
    for entry in bank.entries():
        sequence, balance_yen = at[entry.account]
        assert entry.sequence == sequence + 1, f"gap at {entry}"
        assert entry.balance_yen == balance_yen + entry.amount_yen, f"wrong sum at {entry}"
        at[entry.account] = (entry.sequence, entry.balance_yen)
    assert {account: (found.sequence, found.balance_yen) for account, found in balances.items()} == at


def answer(bank: Bank, asked: ledger.Asked, **options: Any) -> Outcome:
    """Post one instruction that is answered by an outcome."""
    [found] = ledger.post(bank.store, [asked], **options)
    assert isinstance(found, Outcome), found
    return found


class MemoryBank:
    """The in-memory twin."""

    def __init__(self) -> None:
        self.store = ledger.MemoryStore()

    @property
    def tables(self) -> Any:
        return self.store.tables

    def open(self, opened: date) -> None:
        with self.store.unit():
            self.tables.business_date[""] = opened

    def account(self, account: int, balance_yen: int = 0, *, status: Status = Status.OPEN, floor_yen: int = 0) -> int:
        sequence = 1 if balance_yen else 0
        self.tables.accounts[account] = ledger.Account(
            account, balance_yen, 0, floor_yen, sequence, int(status), int(ledger.Product.ORDINARY)
        )
        if balance_yen:
            today = self.tables.business_date[""]
            self.tables.entries[(account, 1)] = {
                "amount_yen": balance_yen,
                "balance_yen": balance_yen,
                "contra": Code.OPENING,
                "date": today,
                "value_date": today,
                "kind": Kind.OPENING,
            }
        return account

    def run(
        self,
        due: date,
        *,
        phase: Phase = Phase.PRE_BUSINESS,
        priority: int = 40,
        originator: str | None = None,
        account: int | None = None,
    ) -> int:
        run = len(self.tables.runs) + 1
        self.tables.runs[run] = ledger.Run(run, due, int(phase), priority, False, originator)
        self.tables.run_accounts[run] = account
        return run

    def items(self, run: int, rows: Iterable[tuple[int, int, int] | tuple[int, int, int, str]], first: int = 1) -> None:
        for item, (account, kind, amount_yen, *customer) in enumerate(rows, first):
            self.tables.items[(account, run, item)] = ledger.Item(account, run, item, kind, amount_yen, *customer)

    def cancel(self, run: int) -> None:
        self.tables.runs[run] = msgspec.structs.replace(self.tables.runs[run], cancelled=True)

    def close(self, run: int) -> None:
        self.tables.closed_runs[run] = True

    def mandates(self, originator: str, from_date: date, rows: Sequence[tuple[int, str, date, bool]]) -> None:
        self.tables.mandate_lists[originator] = from_date
        for account, customer, since, stopped in rows:
            self.tables.mandates[(originator, account, customer)] = (MandateRow(since, None, stopped),)

    def results(self, run: int) -> dict[int, Result]:
        return {
            item: Result(row.reason, row.date, row.sequence, row.balance_yen, row.before)
            for (of_run, item), row in sorted(self.tables.results.items())
            if of_run == run
        }

    def entries(self, account: int | None = None) -> list[Entry]:
        found = []
        for (of_account, sequence), row in sorted(self.tables.entries.items()):
            if account in (None, of_account):
                contra = Code.RUN_SUSPENSE if row["contra"] is None else row["contra"]
                client, named = row.get("key") or (None, None)
                found.append(
                    Entry(
                        of_account,
                        sequence,
                        row["amount_yen"],
                        row["balance_yen"],
                        int(contra),
                        row["date"],
                        row["value_date"],
                        int(row["kind"]),
                        row.get("run") or None,
                        row.get("item"),
                        client,
                        named,
                    )
                )
        return found

    def balances(self) -> dict[int, Balance]:
        return {
            account: Balance(row.balance_yen, row.held_yen, row.sequence)
            for account, row in sorted(self.tables.accounts.items())
        }

    def requests(self) -> dict[UUID, Reason]:
        return {named: outcome.reason for (_, named), outcome in self.tables.requests.items()}

    def holds(self) -> dict[UUID, HoldStatus]:
        return {named: HoldStatus(hold.status) for (_, named), hold in self.tables.holds.items()}

    def stuck(self) -> set[tuple[int, int]]:
        return set(self.tables.stuck)

    def poison(self, account: int) -> None:
        self._set_balance(account, None)

    def cure(self, account: int, balance_yen: int) -> None:
        self._set_balance(account, balance_yen)

    def _set_balance(self, account: int, balance_yen: Any) -> None:
        self.tables.accounts[account] = msgspec.structs.replace(self.tables.accounts[account], balance_yen=balance_yen)


class PostgresBank:
    """PostgreSQL; the store works in the service role, everything else is done by the owner."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.connection = database.connect(autocommit=True)
        self.owner = database.connect(role="owner", autocommit=True)
        self.store = ledger.PostgresStore(self.connection)

    def quit(self) -> None:
        self.connection.close()
        self.owner.close()

    def open(self, opened: date) -> None:
        self.owner.execute("UPDATE ledger.day SET business_date = %s", (opened,))

    def account(self, account: int, balance_yen: int = 0, *, status: Status = Status.OPEN, floor_yen: int = 0) -> int:
        self.accounts([(account, balance_yen)], status=status, floor_yen=floor_yen)
        return account

    def accounts(self, rows: Iterable[tuple[int, int]], *, status: Status = Status.OPEN, floor_yen: int = 0) -> None:
        """Many accounts of (number, balance) at once."""
        copied = list(rows)
        with self.owner.cursor().copy(
            "COPY ledger.account (cell, account, balance, floor, sequence, status, product) FROM STDIN"
        ) as copy:
            for account, balance_yen in copied:
                copy.write_row((0, account, balance_yen, floor_yen, 1 if balance_yen else 0, int(status), 1))
        self.owner.execute(
            """INSERT INTO ledger.entry (cell, date, value_date, account, sequence, amount, balance, contra, kind)
            SELECT cell, business_date, business_date, account, 1, balance, balance, 9000, 10
            FROM ledger.account, ledger.day WHERE sequence = 1 AND business_date IS NOT NULL AND account = ANY (%s)
              AND NOT EXISTS (SELECT FROM ledger.entry WHERE entry.account = account.account)""",
            ([account for account, _ in copied],),
        )

    def run(
        self,
        due: date,
        *,
        phase: Phase = Phase.PRE_BUSINESS,
        priority: int = 40,
        originator: str | None = None,
        account: int | None = None,
    ) -> int:
        row = self.owner.execute(
            """INSERT INTO ledger.run (date, phase, priority, originator, account, registered_at)
            VALUES (%s, %s, %s, %s, %s, now()) RETURNING run""",
            (due, int(phase), priority, originator, account),
        ).fetchone()
        assert row is not None
        return int(row[0])

    def items(self, run: int, rows: Iterable[tuple[int, int, int] | tuple[int, int, int, str]], first: int = 1) -> None:
        found = self.owner.execute("SELECT date FROM ledger.run WHERE run = %s", (run,)).fetchone()
        assert found is not None
        with self.owner.cursor().copy(
            "COPY ledger.item (cell, date, run, item, account, kind, amount, customer) FROM STDIN"
        ) as copy:
            for item, (account, kind, amount_yen, *customer) in enumerate(rows, first):
                copy.write_row((0, found[0], run, item, account, kind, amount_yen, customer[0] if customer else None))

    def cancel(self, run: int) -> None:
        self.owner.execute("UPDATE ledger.run SET cancelled = true WHERE run = %s", (run,))

    def close(self, run: int) -> None:
        self.owner.execute("UPDATE ledger.run SET closed = true WHERE run = %s", (run,))

    def mandates(self, originator: str, from_date: date, rows: Sequence[tuple[int, str, date, bool]]) -> None:
        self.owner.execute("INSERT INTO ledger.mandate_list VALUES (%s, %s)", (originator, from_date))
        for account, customer, since, stopped in rows:
            self.owner.execute(
                "INSERT INTO ledger.mandate (originator, account, customer, from_date, stopped)"
                " VALUES (%s, %s, %s, %s, %s)",
                (originator, account, customer, since, stopped),
            )

    def results(self, run: int) -> dict[int, Result]:
        rows = self.owner.execute(
            "SELECT item, reason, date, sequence, balance, before FROM ledger.outcome WHERE run = %s ORDER BY item",
            (run,),
        )
        return {item: Result(Reason(reason), *others) for item, reason, *others in rows}

    def entries(self, account: int | None = None) -> list[Entry]:
        rows = self.owner.execute(
            """SELECT account, sequence, amount, balance, contra, date, value_date, kind, run, item, client, key
            FROM ledger.entry WHERE %(account)s::bigint IS NULL OR account = %(account)s ORDER BY account, sequence""",
            {"account": account},
        )
        return [Entry(*row) for row in rows]

    def balances(self) -> dict[int, Balance]:
        rows = self.owner.execute("SELECT account, balance, held, sequence FROM ledger.account ORDER BY account")
        return {account: Balance(*others) for account, *others in rows}

    def requests(self) -> dict[UUID, Reason]:
        return {named: Reason(reason) for named, reason in self.owner.execute("SELECT key, reason FROM ledger.request")}

    def holds(self) -> dict[UUID, HoldStatus]:
        rows = self.owner.execute("SELECT key, status FROM ledger.hold")
        return {named: HoldStatus(status) for named, status in rows}

    def stuck(self) -> set[tuple[int, int]]:
        return set(self.owner.execute("SELECT run, item FROM ledger.stuck_item").fetchall())

    def poison(self, account: int) -> None:
        self._set_balance(account, 2**63 - 1)

    def cure(self, account: int, balance_yen: int) -> None:
        self._set_balance(account, balance_yen)

    def _set_balance(self, account: int, balance_yen: int) -> None:
        self.owner.execute("UPDATE ledger.account SET balance = %s WHERE account = %s", (balance_yen, account))

    def empty(self) -> None:
        """Remove all rows, also those that triggers keep: quicker than a new database for each test."""
        with self.owner.transaction():
            self.owner.execute("SET LOCAL session_replication_role = replica")
            for table in [
                "account",
                "holder",
                "entry",
                "internal_entry",
                "request",
                "hold",
                "run",
                "item",
                "result",
                "stuck_item",
                "mandate",
                "mandate_list",
            ]:
                self.owner.execute(f"DELETE FROM ledger.{table}")
            self.owner.execute("UPDATE ledger.day SET business_date = NULL")


@contextlib.contextmanager
def postgres_bank(database: Database) -> Iterator[PostgresBank]:
    """A bank without accounts, its date Monday, on a database with partitions."""
    bank = PostgresBank(database)
    try:
        bank.empty()
        bank.open(MONDAY)
        yield bank
    finally:
        bank.quit()


def memory_bank() -> MemoryBank:
    """A bank without accounts, its date Monday, in memory."""
    bank = MemoryBank()
    bank.open(MONDAY)
    return bank


def terminate(owner: psycopg.Connection[Any], victim: psycopg.Connection[Any]) -> None:
    """Cut a connection off as a crash of its server process would."""
    owner.execute("SELECT pg_terminate_backend(%s, 5000)", (victim.info.backend_pid,))
