"""The trial balance (日計表): what customers have by product against the bank's own codes; its total is zero (law 1).

Products are read from the accounts' balances and codes are summed from entries, so a zero says that the two agree.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import psycopg

from kanjo.db.queries import Queries
from kanjo.ledger.account import ACCOUNT_MIN, Product
from kanjo.ledger.chart import Code
from kanjo.ledger.day import business_date
from kanjo.ledger.moment import one_moment

TRIAL_SQL = Queries("kanjo.ledger", "trial.sql")


class TrialLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line: `side` is `deposits` (`code` is the deposit type then) or `chart`.

    `balance_yen` is positive on the credit side; `day_...` are the movements of the business date. Internal movements
    between two codes count on both.
    """

    side: str
    code: int
    name: str
    day_debit_yen: int
    day_credit_yen: int
    balance_yen: int

    @property
    def debit_yen(self) -> int:
        """The balance as the debit column shows it."""
        return max(-self.balance_yen, 0)

    @property
    def credit_yen(self) -> int:
        """The balance as the credit column shows it."""
        return max(self.balance_yen, 0)


class TrialBalance(msgspec.Struct, frozen=True, kw_only=True):
    """All lines as of one moment: products that have accounts, then every code of the chart."""

    business_date: date | None
    lines: tuple[TrialLine, ...]

    @property
    def total_yen(self) -> int:
        """Zero, or law 1 is broken."""
        return sum(line.balance_yen for line in self.lines)

    @property
    def debit_yen(self) -> int:
        return sum(line.debit_yen for line in self.lines)

    @property
    def credit_yen(self) -> int:
        return sum(line.credit_yen for line in self.lines)

    @property
    def day_debit_yen(self) -> int:
        return sum(line.day_debit_yen for line in self.lines)

    @property
    def day_credit_yen(self) -> int:
        return sum(line.day_credit_yen for line in self.lines)


def trial_balance(connection: psycopg.Connection[Any]) -> TrialBalance:
    """Read it in one repeatable-read snapshot while postings go on; the connection must not be in a transaction."""
    with one_moment(connection):
        today = business_date(connection)
        asked = {"date": today, "account_min": ACCOUNT_MIN}
        balances = connection.execute(TRIAL_SQL["product_balances"]).fetchall()
        turnover = connection.execute(TRIAL_SQL["product_turnover"], asked).fetchall()
        totals = connection.execute(TRIAL_SQL["code_totals"], asked).fetchall()
        opening = connection.execute(TRIAL_SQL["opening_to_come"]).fetchone() if today is None else None
    of_day = {product: (debit_yen, credit_yen) for product, debit_yen, credit_yen in turnover}
    lines = [
        TrialLine(
            side="deposits",
            code=product,
            name=Product(product).word,
            day_debit_yen=of_day.get(product, (0, 0))[0],
            day_credit_yen=of_day.get(product, (0, 0))[1],
            balance_yen=balance_yen,
        )
        for product, balance_yen in balances
    ]
    by_code = {int(code): (0, 0, 0, 0) for code in Code} | {row[0]: row[1:] for row in totals}
    if opening is not None:
        debit_yen, credit_yen, *day = by_code[Code.OPENING]
        by_code[Code.OPENING] = (debit_yen + opening[0], credit_yen, *day)
    lines.extend(
        TrialLine(
            side="chart",
            code=code,
            name=_name(code),
            day_debit_yen=day_debit_yen,
            day_credit_yen=day_credit_yen,
            balance_yen=credit_yen - debit_yen,
        )
        for code, (debit_yen, credit_yen, day_debit_yen, day_credit_yen) in sorted(by_code.items())
    )
    return TrialBalance(business_date=today, lines=tuple(lines))


def _name(code: int) -> str:
    """The code's word; an entry that names no code of the chart still shows, so that the total can be traced."""
    return Code(code).word if code in set(Code) else "not-in-the-chart"
