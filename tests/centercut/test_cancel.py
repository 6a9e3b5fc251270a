"""R-3: cancelling gives what is unsettled the outcome cancelled, returns the money, and closes the run."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from banks import TUESDAY, WEDNESDAY, number, prove
from cuts import BUSINESSES, EMPLOYER, NOW, Cut
from kanjo import centercut, ledger
from kanjo.errors import KanjoError
from kanjo.ledger import Phase, PostgresStore, Reason

ANN, BOB, CAM = number(1), number(2), number(3)


def _refused(code: str) -> pytest.RaisesExc[KanjoError]:
    return pytest.RaisesExc(KanjoError, check=lambda error: error.code == code)


def test_r_3_before_its_date_nothing_is_paid_and_all_is_returned(cut: Cut) -> None:
    """Other banks' share too; the items never come due."""
    cut.bank.account(ANN)
    before = cut.stored_balance(EMPLOYER)
    run = cut.wages(TUESDAY, (ANN, 10), (CAM, 5), others=(1, 100))

    assert cut.cancel(run) == "cancelled"

    assert cut.reasons(run) == {1: Reason.CANCELLED, 2: Reason.CANCELLED}
    assert cut.stored_balance(EMPLOYER) == before
    assert cut.suspense(run) == 0
    cut.open(TUESDAY)
    assert cut.balance(ANN) == 0
    assert cut.state(run) == "cancelled"


@pytest.mark.parametrize("phase", [Phase.PRE_BUSINESS, Phase.IN_BUSINESS])
def test_r_3_half_settled_what_was_paid_stays_paid(cut: Cut, phase: Phase) -> None:
    """One slice of three is settled; the rest is cancelled (direct debit: 8), what was collected is credited."""
    for account in (ANN, BOB, CAM):
        cut.bank.account(account, 100)
    before = cut.stored_balance(EMPLOYER)
    run = cut.bills(TUESDAY, (ANN, 10), (BOB, 10), (CAM, 10), slice_items=1, phase=phase)
    cut.open(TUESDAY)
    cut.start(run)
    assert cut.step(run) == 1

    assert cut.cancel(run) == "cancelled"

    assert cut.codes(run) == [0, 8, 8]
    assert cut.stored_balance(EMPLOYER) == before + 10
    assert cut.suspense(run) == 0
    assert [cut.balance(account) for account in (ANN, BOB, CAM)] == [90, 100, 100]


def test_r_3_a_paused_run_can_be_cancelled_and_a_finished_one_cannot(cut: Cut) -> None:
    """Nor can a cancelled one be cancelled, started, paused or resumed again."""
    cut.bank.account(ANN)
    run = cut.wages(TUESDAY, (ANN, 10))
    done = cut.wages(TUESDAY, (ANN, 11))
    cut.open(TUESDAY)
    cut.run(done)
    centercut.pause(cut.store, run)

    with _refused("run-finished"):
        cut.cancel(done)
    assert cut.balance(ANN) == 21
    assert cut.cancel(run) == "cancelled"

    with _refused("run-finished"):
        cut.cancel(run)
    with _refused("run-finished"):
        cut.start(run)
    with _refused("run-finished"):
        centercut.pause(cut.store, run)
    with _refused("run-unknown"):
        cut.cancel(9_999)


def test_r_3_cancelling_settles_what_else_is_due_on_the_accounts_in_order(cut: Cut) -> None:
    """A worker's commit is one commit: the other run's items on these accounts are settled, not cancelled."""
    cut.bank.account(ANN)
    wrong = cut.wages(TUESDAY, (ANN, 10), priority=10)
    right = cut.wages(TUESDAY, (ANN, 7))
    cut.open(TUESDAY)

    assert cut.cancel(wrong) == "cancelled"

    assert cut.reasons(wrong) == {1: Reason.CANCELLED}
    assert cut.balance(ANN) == 7
    assert cut.reasons(right) == {1: Reason.ACCEPTED}


def test_r_3_a_cancel_that_was_interrupted_goes_on(cut: Cut) -> None:
    """It died after its first commit: the run is closing; cancelling once more, or any worker, ends it."""
    cut.bank.account(ANN)
    runs = [cut.wages(WEDNESDAY, (ANN, 10)), cut.wages(WEDNESDAY, (ANN, 20))]
    with cut.store.unit() as unit:
        for run in runs:
            centercut.runs_in(unit).set_cancelled(run)
    assert [cut.state(run) for run in runs] == ["closing"] * 2
    with _refused("run-finished"):
        centercut.pause(cut.store, runs[0])

    assert cut.cancel(runs[0]) == "cancelled"
    cut.work(runs[1])

    assert cut.state(runs[1]) == "cancelled"
    assert cut.stored_balance(EMPLOYER) == 1_000_000_000


def test_r_3_a_stuck_item_keeps_a_cancelled_run_open_until_it_is_failed(cut: Cut) -> None:
    """Then cancelling goes on behind it."""
    cut.bank.account(ANN)
    run = cut.wages(TUESDAY, (ANN, 10), (ANN, 11))
    cut.open(TUESDAY)
    cut.bank.poison(ANN)
    cut.start(run)
    cut.work(run)
    assert [one.item for one in cut.status(run).stuck] == [1]

    assert cut.cancel(run) == "closing"
    cut.bank.cure(ANN, 0)
    centercut.fail(cut.store, run, 1)
    assert cut.cancel(run) == "cancelled"

    assert cut.reasons(run) == {1: Reason.FAILED, 2: Reason.CANCELLED}
    assert cut.stored_balance(EMPLOYER) == 1_000_000_000


def test_r_3_under_running_workers_every_item_has_one_outcome_and_the_money_adds_up(postgres: Cut) -> None:
    """Three workers settle a run of 300 slices when it is cancelled: paid and cancelled add up, nothing is left."""
    database = postgres.bank.database  # type: ignore[union-attr]
    count = 300
    postgres.bank.accounts((number(index), 0) for index in range(1, count + 1))  # type: ignore[union-attr]
    run = postgres.wages(TUESDAY, *((number(index), 10) for index in range(1, count + 1)), slice_items=1)
    postgres.open(TUESDAY)
    postgres.start(run)
    some_done = threading.Event()

    def worker() -> None:
        with database.connect(autocommit=True) as connection:
            centercut.work(
                PostgresStore(connection),
                runs=[run],
                flow=centercut.Flow(items_max=ledger.ITEMS_MAX),
                clock=centercut.REAL_CLOCK,
                should_stop=lambda: False,
                on_step=lambda _: some_done.set(),
                find=BUSINESSES.__getitem__,
            )

    with ThreadPoolExecutor(3) as threads:
        working = [threads.submit(worker) for _ in range(3)]
        assert some_done.wait(60)
        assert centercut.cancel(postgres.store, run, NOW, find=BUSINESSES.__getitem__) in ("closing", "cancelled")
        for one in working:
            one.result(60)

    assert postgres.state(run) == "cancelled"
    reasons = list(postgres.reasons(run).values())
    paid = reasons.count(Reason.ACCEPTED)
    assert len(reasons) == count and paid > 0 and reasons.count(Reason.CANCELLED) == count - paid
    assert postgres.stored_balance(EMPLOYER) == 1_000_000_000 - 10 * paid
    assert postgres.suspense(run) == 0
    prove(postgres.bank)
