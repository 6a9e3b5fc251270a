"""What tests of this room do to a bank, and the files they make, in few words."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from kanjo import centercut, ledger, transfers
from kanjo.db import Database
from kanjo.formats import zengin

SAMPLES = Path(__file__).parent.parent / "data" / "zengin"
MONDAY, TUESDAY, WEDNESDAY = date(2026, 8, 24), date(2026, 8, 25), date(2026, 8, 26)
NOW = datetime(2026, 8, 24, 6, 0, tzinfo=UTC)
CLOCK = centercut.Clock(now=lambda: NOW, monotonic_s=lambda: 0.0, sleep=lambda _: None)
BUSINESSES: dict[str, centercut.Business] = {
    business.name: business
    for business in (transfers.Payroll(), transfers.Bonus(), transfers.BulkTransfer(), transfers.DirectDebit())
}
OWN_BANK, OTHER_BANK = 9999, 9998


def expected() -> Any:
    return json.loads((SAMPLES / "expected.json").read_text("utf-8"))


class Office:
    """What a test does to the bank, in few words. `store` works in the service role, `owner` looks at everything."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder
        self.connection = database.connect(autocommit=True)
        self.owner = database.connect(role="owner", autocommit=True)
        self.store = ledger.PostgresStore(self.connection)

    def quit(self) -> None:
        self.connection.close()
        self.owner.close()

    def open(self, day: date) -> None:
        ledger.open_day(self.database, day)

    def accounts(self, *rows: tuple[int, int] | tuple[int, int, str]) -> None:
        """Open accounts of (number, balance) or (number, balance, status)."""
        lines = ["account,product,balance,floor,status,name_kana\n"]
        for account, balance_yen, *status in rows:
            lines.append(f"{ledger.show_account(account)},ordinary,{balance_yen},0,{(status or ['open'])[0]},\n")
        ledger.import_accounts(self.store, lines, name="accounts.csv")

    def load(self, path: Path, **options: Any) -> centercut.Loaded:
        """Load a file as the business that its header names."""
        business = BUSINESSES[transfers.business_of_file(path)]
        return centercut.load(self.store, business, path, now=NOW, **options)

    def settle(self, *runs: int) -> None:
        """Start the runs and work until they are closed."""
        centercut.start(self.store, runs)
        centercut.work(
            self.store,
            runs=runs,
            find=BUSINESSES.__getitem__,
            flow=centercut.Flow(items_max=ledger.ITEMS_MAX),
            clock=CLOCK,
            should_stop=lambda: False,
        )

    def cancel(self, run: int) -> str:
        return centercut.cancel(self.store, run, NOW, find=BUSINESSES.__getitem__)

    def status(self, run: int) -> centercut.RunStatus:
        [found] = centercut.status(self.store, [run], NOW)
        return found

    def balance(self, account: int) -> int:
        return ledger.enquire(self.store, account).balance_yen

    def balances(self) -> dict[str, int]:
        rows = self.owner.execute("SELECT account, balance FROM ledger.account")
        return {ledger.show_account(account): balance_yen for account, balance_yen in rows}

    def suspense(self, run: int) -> int:
        """What lies in the suspense of a run, from entries."""
        row = self.owner.execute(
            """SELECT coalesce((SELECT -sum(amount) FROM ledger.entry WHERE contra = 2510 AND run = %(run)s), 0)
                + coalesce((SELECT sum(CASE credit WHEN 2510 THEN amount ELSE -amount END)
                            FROM ledger.internal_entry WHERE run = %(run)s), 0)""",
            {"run": run},
        ).fetchone()
        assert row is not None
        return int(row[0])

    def code(self, code: ledger.Code) -> int:
        """What lies under a code of the chart, from entries."""
        row = self.owner.execute(
            """SELECT coalesce((SELECT -sum(amount) FROM ledger.entry WHERE contra = %(code)s), 0)
                + coalesce((SELECT sum(CASE credit WHEN %(code)s THEN amount ELSE -amount END)
                            FROM ledger.internal_entry WHERE %(code)s IN (credit, debit)), 0)""",
            {"code": int(code)},
        ).fetchone()
        assert row is not None
        return int(row[0])

    def rows(self) -> dict[str, int]:
        """How many rows each table has."""
        tables = self.owner.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables "
            "WHERE schemaname IN ('ledger', 'centercut', 'transfers')"
        ).fetchall()
        counts = {}
        for (table,) in tables:
            row = self.owner.execute(f"SELECT count(*) FROM {table}").fetchone()  # type: ignore[arg-type]
            assert row is not None
            counts[table] = row[0]
        return counts

    def result(self, run: int) -> tuple[bytes, list[int]]:
        """The result file of a run, and its codes as our own reader finds them (which checks ZC-7)."""
        stream = BytesIO()
        written = transfers.write_result(self.store, run, stream)
        events = list(zengin.Reader(BytesIO(stream.getvalue())))
        codes = [int(code) for event in events if isinstance(event, zengin.Records) for code in event.result]
        assert written == len(codes)
        return stream.getvalue(), codes

    def file(self, kind: str, *groups: Group, name: str = "file.txt", **options: Any) -> Path:
        """Write a Zengin file of groups."""
        path = self.folder / name
        with path.open("wb") as stream:
            writer = zengin.Writer(stream, **options)
            for group in groups:
                group.write(kind, writer)
            writer.end()
        return path


class Group:
    """A group of a file: originator, account (branch 001, ordinary), date, and items of (account, amount[, bank])."""

    def __init__(
        self,
        account: int,
        *items: tuple[int, int] | tuple[int, int, int],
        due: date = TUESDAY,
        originator: str = "0000000007",
        bank: int = OWN_BANK,
        has_account: bool = True,
    ) -> None:
        self.account = account
        self.items = items
        self.due = due
        self.originator = originator
        self.bank = bank
        self.has_account = has_account

    def write(self, kind: str, writer: zengin.Writer) -> None:
        deposit_type, number = divmod(self.account % 100_000_000, 10_000_000)
        writer.header(
            zengin.compose_header(
                kind,
                originator=self.originator,
                originator_name="ﾃｽﾄ",
                month=self.due.month,
                day=self.due.day,
                bank=self.bank,
                branch=self.account // 100_000_000,
                deposit_type=deposit_type if self.has_account else None,
                account=number if self.has_account else None,
            )
        )
        if self.items:
            accounts = [item[0] for item in self.items]
            writer.records(
                zengin.compose(
                    kind,
                    bank=[item[2] if len(item) == 3 else OWN_BANK for item in self.items],
                    branch=[account // 100_000_000 for account in accounts],
                    deposit_type=[account // 10_000_000 % 10 for account in accounts],
                    account=[account % 10_000_000 for account in accounts],
                    amount_yen=[item[1] for item in self.items],
                    name=["ﾀﾛｳ"] * len(accounts),
                    customer=list(range(1, len(accounts) + 1)),
                )
            )
        writer.trailer()


def number(index: int) -> int:
    """The account of branch 001, ordinary, `index`."""
    return ledger.account_number(1, 1, index)
