"""A bank for a bench: accounts with money, a company that pays salaries to any of them, days that go by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import psycopg

from kanjo import centercut, ledger
from kanjo.centercut import REAL_CLOCK, Business, Items, Loading, Payment, RunRow, Totals
from kanjo.db import Database
from kanjo.ledger import Code, ItemKind, account_number, show_account

CLIENT = "bench"
FIRST_DAY = date(2026, 1, 5)
"""A bench has no clock of its own: every run is for the day after, and there are 700 of them in the calendar."""
COMPANY = account_number(999, 2, 1)
MERCHANT = account_number(998, 1, 1)
SALARY_YEN = 1000
BALANCE_YEN = 1_000_000
CHUNK_ITEMS = 16_384
"""Items come in portions of this size, as from a file."""


def account_numbers(count: int) -> np.ndarray[Any, Any]:
    """The first so many accounts, ascending, 100,000 to a branch."""
    index = np.arange(count, dtype=np.int64)
    return ((index // 100_000 + 1) * 10 + 1) * 10_000_000 + index % 100_000


class Salaries(Business):
    """One credit for each of `accounts`, in that order."""

    name: ClassVar[str] = "bench"
    priority: ClassVar[int] = 40

    def __init__(self, accounts: np.ndarray[Any, Any] | None = None, due: date = FIRST_DAY) -> None:
        self._accounts = np.empty(0, np.int64) if accounts is None else accounts
        self._due = due

    def load(self, source: Path, loading: Loading) -> None:
        run = loading.begin(due=self._due, account=COMPANY)
        for first in range(0, len(self._accounts), CHUNK_ITEMS):
            accounts = self._accounts[first : first + CHUNK_ITEMS]
            run.add(
                Items(
                    item=np.arange(first + 1, first + 1 + len(accounts), dtype=np.int32),
                    account=accounts,
                    amount_yen=np.full(len(accounts), SALARY_YEN, np.int64),
                    kind=int(ItemKind.CREDIT),
                )
            )
        run.end(digest=sha256(f"{source} {self._due}".encode()).hexdigest(), fund_from=COMPANY)

    def close(self, run: RunRow, totals: Totals) -> list[Payment]:
        return [Payment(int(Code.SUSPENSE), run.funded_yen - totals.credited_yen, "left")]


class Bank:
    """The ledger of a bench, in a database of the bench's own. `accounts` people with money, all of them open."""

    def __init__(self, database: Database, accounts: int, connection: psycopg.Connection[Any]) -> None:
        self.database = database
        self.numbers = account_numbers(accounts)
        self.store = ledger.PostgresStore(connection)
        self.today = FIRST_DAY
        self._draw = np.random.default_rng(accounts)
        ledger.import_accounts(self.store, self._csv_lines(), name="bench.csv")
        ledger.open_day(database, FIRST_DAY)

    def _csv_lines(self) -> Iterator[str]:
        yield "account,product,balance,floor,status,name_kana\n"
        yield f"{show_account(COMPANY)},current,900000000000000,0,open,\n"
        yield f"{show_account(MERCHANT)},ordinary,{BALANCE_YEN},0,open,\n"
        for number in self.numbers.tolist():
            yield f"{show_account(number)},ordinary,{BALANCE_YEN},0,open,\n"

    def shuffled(self) -> np.ndarray[Any, Any]:
        """All accounts in an order of their own each time, as files have them."""
        return self._draw.permutation(self.numbers)

    def payday(self, accounts: np.ndarray[Any, Any]) -> int:
        """Load a salary for each of these accounts, open its day, let workers begin; returns the run."""
        due = self.today + timedelta(days=1)
        loaded = centercut.load(self.store, Salaries(accounts, due), Path("salaries"), now=REAL_CLOCK.now())
        [run] = [row.run for row in loaded.runs]
        ledger.open_day(self.database, due)
        self.today = due
        centercut.start(self.store, [run])
        self.tidy()
        return run

    def tidy(self) -> None:
        """Vacuum and write everything out: each measure begins on a server that has nothing left to do."""
        with self.database.connect(role="owner", autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE)")
            with suppress(psycopg.errors.InsufficientPrivilege):  # somebody else's server: its own checkpoints must do
                connection.execute("CHECKPOINT")

    def state_of(self, run: int) -> RunRow:
        """The run as stored."""
        with self.store.unit() as unit:
            [row] = centercut.runs_in(unit).rows([run])
        return row
