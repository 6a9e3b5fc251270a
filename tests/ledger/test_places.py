"""Where accounts lie: a door writes each where its lock found it, and pages keep room for what is written there."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from banks import CREDIT, MONDAY, PostgresBank, answer, key, number, prove
from kanjo import db, ledger
from kanjo.ledger import OpenAccount, Outcome, deposit, withdrawal

CLIENT = "door"
A, B = number(1), number(2)
DEADLINE_S = 30.0


def test_an_account_that_another_posting_moved_is_found_where_it_lies_now(postgres: PostgresBank) -> None:
    """Its lock is waited for, and what is locked then is the new version, on another place of the page."""
    postgres.account(A, 100)
    answers: list[Outcome] = []
    with postgres.database.connect(autocommit=True) as other:
        store = ledger.PostgresStore(other)

        def ask() -> None:
            [one] = ledger.post(store, [withdrawal(CLIENT, key("second"), A, 30)])
            assert isinstance(one, Outcome)
            answers.append(one)

        second = threading.Thread(target=ask)
        with postgres.store.unit() as first:
            ledger.post_in(first, [deposit(CLIENT, key("first"), A, 50)])
            second.start()
            waits = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s"
            deadline = time.monotonic() + DEADLINE_S
            while postgres.owner.execute(waits, (other.info.backend_pid,)).fetchone() != (True,):
                assert time.monotonic() < deadline
        second.join(DEADLINE_S)

    assert [(one.accepted, one.touched) for one in answers] == [(True, (ledger.Touch(A, 2, 150),))]
    assert postgres.balances()[A].balance_yen == 120
    prove(postgres)


def test_an_account_is_posted_to_time_and_again_in_one_unit(postgres: PostgresBank) -> None:
    """Each posting moves it, and the next one loads it anew."""
    postgres.account(A, 100)
    with postgres.store.unit() as unit:
        for name in range(5):
            ledger.post_in(unit, [deposit(CLIENT, key(name), A, 10)])
    assert postgres.balances()[A].balance_yen == 150
    prove(postgres)


def test_an_account_is_opened_and_posted_to_in_one_commit(postgres: PostgresBank) -> None:
    """It lies nowhere yet: it is written once, as the last posting leaves it."""
    postgres.account(B, 100)
    opened = OpenAccount(client=CLIENT, key=key("open"), account=A, product=1)
    asked = [opened, deposit(CLIENT, key(1), A, 10), ledger.transfer(CLIENT, key(2), B, A, 5)]

    answers = ledger.post(postgres.store, asked)

    assert [isinstance(one, Outcome) and one.accepted for one in answers] == [True, True, True]
    assert (postgres.balances()[A].balance_yen, postgres.balances()[B].balance_yen) == (15, 95)
    prove(postgres)


@pytest.fixture
def imported(server: db.Database) -> Iterator[PostgresBank]:
    """A bank of 480 accounts that came from a file, with its first date open."""
    with db.scratch(server, "places", template=server.name) as database:
        bank = PostgresBank(database)
        rows = [f"{ledger.show_account(number(place))},ordinary,1000,0,open,\n" for place in range(1, 481)]
        ledger.import_accounts(bank.store, ["account,product,balance,floor,status,name_kana\n", *rows], name="a.csv")
        ledger.open_day(database, MONDAY)
        bank.owner.execute("ALTER TABLE ledger.account SET (autovacuum_enabled = off)")
        yield bank
        bank.quit()


def pages(bank: PostgresBank) -> list[list[int]]:
    """The accounts of each page."""
    of_page = "SELECT array_agg(account) FROM ledger.account GROUP BY (ctid::text::point)[0]"
    return [row[0] for row in bank.owner.execute(of_page)]


def updates(bank: PostgresBank) -> tuple[int, int]:
    """How many updates of accounts there were, and how many of them went to another page."""
    bank.connection.execute("SELECT pg_stat_force_next_flush()")
    count = "SELECT n_tup_upd, n_tup_upd - n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'account'"
    row = bank.owner.execute(count).fetchone()
    assert row is not None
    return row[0], row[1]


def log_records(bank: PostgresBank, account: int) -> int:
    """How many records a visit of the account writes to the log: one when it clears the page."""
    visit = "EXPLAIN (ANALYZE, WAL, FORMAT JSON) SELECT balance FROM ledger.account WHERE cell = 0 AND account = %s"
    row = bank.owner.execute(visit, (account,)).fetchone()
    assert row is not None
    plan: dict[str, Any] = row[0][0]["Plan"]
    return int(plan["WAL Records"])


def test_a_visit_does_not_clear_a_page_of_a_few_old_versions(imported: PostgresBank) -> None:
    """That costs more than the update which left one."""
    account = pages(imported)[0][0]
    visits = []
    for name in range(10):
        answer(imported, deposit(CLIENT, key(name), account, 1))
        visits.append(log_records(imported, account))
    assert visits == [0] * 10


def test_a_cut_finds_room_on_each_page_beside_what_doors_left_there(imported: PostgresBank) -> None:
    """An update that goes to another page needs a new entry in the index."""
    firsts = [accounts[0] for accounts in pages(imported)]
    for name in range(10):
        ledger.post(imported.store, [deposit(CLIENT, key((name, account)), account, 1) for account in firsts])
    everybody = [account for accounts in pages(imported) for account in accounts]
    tuesday = MONDAY + timedelta(days=1)
    imported.items(imported.run(tuesday), [(account, CREDIT, 10) for account in sorted(everybody)])
    ledger.open_day(imported.database, tuesday)
    count, elsewhere = updates(imported)

    assert ledger.settle(imported.store, sorted(everybody)) == 480

    assert updates(imported) == (count + 480, elsewhere)
    assert elsewhere == 0
    prove(imported)
