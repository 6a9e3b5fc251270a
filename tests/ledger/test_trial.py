"""The trial balance: law 1, C-6."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from uuid import uuid4

import pytest

from kanjo import ledger
from kanjo.db import Database
from kanjo.ledger.trial import TrialBalance, TrialLine, trial_balance

TODAY = date(2026, 8, 24)
ANN = ledger.account_number(1, 1, 1)
SHOP = ledger.account_number(1, 2, 2)


@pytest.fixture
def store(database: Database) -> Iterator[ledger.PostgresStore]:
    """An ordinary account of 1,000 yen and a current one overdrawn by 300, before the first date."""
    with database.connect(autocommit=True) as connection:
        store = ledger.PostgresStore(connection)
        lines = [
            "account,product,balance,floor,status,name_kana\n",
            f"{ledger.show_account(ANN)},ordinary,1000,0,open,\n",
            f"{ledger.show_account(SHOP)},current,-300,-500,open,\n",
        ]
        ledger.import_accounts(store, lines, name="a.csv")
        yield store


def line(found: TrialBalance, name: str) -> TrialLine:
    [only] = [line for line in found.lines if line.name == name]
    return only


def test_c_6_it_is_zero_before_the_first_date(store: ledger.PostgresStore) -> None:
    """Imported balances stand against the opening code although their entries are still to come."""
    found = trial_balance(store.connection)

    assert (found.business_date, found.total_yen, line(found, "opening").debit_yen) == (None, 0, 700)


def test_the_columns_of_a_day(database: Database, store: ledger.PostgresStore) -> None:
    """Each line shows the date's debits and credits and its balance on its side; both columns add up alike."""
    ledger.open_day(database, TODAY)
    ledger.open_day(database, date(2026, 8, 25))
    ledger.post(
        store,
        [
            ledger.deposit("t", uuid4(), ANN, 50),
            ledger.withdrawal("t", uuid4(), ANN, 20),
            ledger.transfer("t", uuid4(), ANN, SHOP, 100),
            ledger.Post(
                client="t",
                key=uuid4(),
                kind_of=ledger.Kind.RUN_CLOSING,
                movements=(ledger.Movement(ledger.Code.RUN_SUSPENSE, ledger.Code.INTERBANK, 7),),
            ),
        ],
    )

    found = trial_balance(store.connection)

    shown = {
        line.name: (line.day_debit_yen, line.day_credit_yen, line.debit_yen, line.credit_yen)
        for line in found.lines
        if line.balance_yen or line.day_debit_yen
    }
    assert shown == {
        "ordinary": (120, 50, 0, 930),
        "current": (0, 100, 200, 0),
        "cash": (50, 20, 30, 0),
        "interbank": (0, 7, 0, 7),
        "run-suspense": (7, 0, 7, 0),
        "opening": (0, 0, 700, 0),
    }
    assert (found.total_yen, found.debit_yen, found.credit_yen) == (0, 937, 937)
    assert (found.day_debit_yen, found.day_credit_yen) == (177, 177)


def test_every_code_of_the_chart_has_a_line(store: ledger.PostgresStore) -> None:
    """A code without movements shows zeros."""
    found = trial_balance(store.connection)

    assert [line.code for line in found.lines if line.side == "chart"] == sorted(ledger.Code)


def test_law_1_a_balance_without_its_entry_shows(database: Database, store: ledger.PostgresStore) -> None:
    """Products come from balances and codes from entries, so a planted balance breaks the zero."""
    ledger.open_day(database, TODAY)
    with database.connect(role="owner") as connection:
        connection.execute("UPDATE ledger.account SET balance = balance + 5 WHERE account = %s", (ANN,))

    assert trial_balance(store.connection).total_yen == 5
