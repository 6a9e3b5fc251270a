"""One poisoned item and one poisoned request among thousands, in real worker processes and a real batcher:
nobody else is harmed (O-9). In small and on both stores: tests/ledger/test_poison.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from banks import CLIENT, TUESDAY, key, number, prove
from cuts import Cut, CutPostgresBank, installed_for_workers, postgres_cut, workers
from kanjo import centercut, db, ledger
from kanjo.ledger import Batcher, NotDecided, Outcome, PostgresStore, Reason

pytestmark = pytest.mark.crash

ACCOUNTS = [number(index) for index in range(1, 3_001)]
GUILTY = ACCOUNTS[1_700]
CALLERS = 32


@pytest.fixture
def cut(database: db.Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cut]:
    """3,000 accounts of 1,000 yen; one of them is poisoned: any credit to it fails unexpectedly."""
    installed_for_workers(tmp_path, monkeypatch)
    ledger.open_day(database, TUESDAY.replace(day=24))
    with postgres_cut(database) as found:
        bank = found.bank
        assert isinstance(bank, CutPostgresBank)
        bank.accounts([(account, 1_000) for account in ACCOUNTS])
        bank.poison(GUILTY)
        yield found


def _database(cut: Cut) -> db.Database:
    assert isinstance(cut.bank, CutPostgresBank)
    return cut.bank.database


def test_worker_processes_settle_all_but_the_poisoned_account(cut: Cut) -> None:
    """Two workers end with 5,998 of 6,000 items settled, one stuck and named, one behind it; once it is cured and
    retried, the run closes.
    """
    run = cut.wages(TUESDAY, *((account, 10) for account in ACCOUNTS * 2), slice_items=500)
    cut.open(TUESDAY)
    cut.start(run)
    orders = centercut.Orders(runs=[run])
    with workers(_database(cut), 2, orders) as crew:
        assert [worker.wait(120) for worker in crew] == [0, 0]

    status = cut.status(run)
    assert status.totals.settled == 5_998
    assert [(stuck.run, stuck.item) for stuck in status.stuck] == [(run, 1_701)]
    balances = cut.bank.balances()
    assert {balances[account].balance_yen for account in ACCOUNTS if account != GUILTY} == {1_020}

    cut.bank.cure(GUILTY, 1_000)
    assert centercut.retry(cut.store, run, 1_701)
    with workers(_database(cut), 2, orders) as crew:
        assert [worker.wait(60) for worker in crew] == [0, 0]
    assert cut.state(run) == "completed"
    assert cut.stored_balance(GUILTY) == 1_020
    prove(cut.bank)


def test_callers_of_a_batcher_are_all_answered_but_the_poisoned_one(cut: Cut) -> None:
    """3,000 requests of 32 callers, one of them poisoned: it gets NotDecided and keeps the key, all others are done."""
    database = _database(cut)
    asked = [ledger.deposit(CLIENT, key(account), account, 5) for account in ACCOUNTS]
    with (
        Batcher(lambda: PostgresStore(database.connect(autocommit=True)), threads=2) as batcher,
        ThreadPoolExecutor(CALLERS) as callers,
    ):
        found = dict(zip(ACCOUNTS, callers.map(batcher.post, asked), strict=True))

    assert isinstance(found.pop(GUILTY), NotDecided)
    assert all(isinstance(answer, Outcome) and answer.reason == Reason.ACCEPTED for answer in found.values())
    assert key(GUILTY) not in cut.bank.requests()
    assert cut.bank.stuck() == set()
    cut.bank.cure(GUILTY, 1_000)
    [again] = ledger.post(cut.store, [asked[ACCOUNTS.index(GUILTY)]])
    assert isinstance(again, Outcome) and again.accepted and not again.replayed
    assert cut.stored_balance(GUILTY) == 1_005
    prove(cut.bank)
