"""O-9 in the centre cut: a stuck item keeps its run open and its account closed until an operator acts, nobody else."""

from __future__ import annotations

import pytest

from banks import CLIENT, TUESDAY, WEDNESDAY, key, number, prove
from cuts import Cut
from kanjo import centercut, ledger
from kanjo.errors import KanjoError
from kanjo.ledger import Outcome, Phase, Reason

ANN, BOB, CAM = number(1), number(2), number(3)


def _refused(code: str) -> pytest.RaisesExc[KanjoError]:
    return pytest.RaisesExc(KanjoError, check=lambda error: error.code == code)


@pytest.fixture
def run(cut: Cut) -> int:
    """Two credits each for Ann, Bob and Cam, due; Bob's account cannot be credited."""
    for account in (ANN, BOB, CAM):
        cut.bank.account(account)
    run = cut.wages(TUESDAY, *((account, 10) for account in (ANN, BOB, CAM) for _ in range(2)))
    cut.open(TUESDAY)
    cut.bank.poison(BOB)
    return run


def test_o_9_the_run_stays_open_and_status_names_the_item(cut: Cut, run: int) -> None:
    """The neighbours are settled; a worker that has only this run goes home."""
    cut.start(run)

    cut.work(run)

    status = cut.status(run)
    assert (status.state, status.totals.settled) == ("running", 4)
    assert [(one.account, one.run, one.item) for one in status.stuck] == [(BOB, run, 3)]
    assert status.stuck[0].error
    assert cut.atm(ANN, -20, 1) == Reason.ACCEPTED
    assert cut.atm(BOB, 1, 2) == Reason.ITEM_STUCK


def test_o_9_retry_settles_it_when_the_cause_is_gone(cut: Cut, run: int) -> None:
    """And what waited behind it; then the run completes and online is served."""
    cut.start(run)
    cut.work(run)
    assert not centercut.retry(cut.store, run, 3)
    cut.bank.cure(BOB, 0)

    assert centercut.retry(cut.store, run, 3)

    assert cut.status(run).stuck == []
    assert cut.stored_balance(BOB) == 20
    cut.work(run)
    assert cut.state(run) == "completed"
    assert cut.atm(BOB, -20, 1) == Reason.ACCEPTED
    prove(cut.bank)


def test_o_9_failing_it_lets_the_account_go_on(cut: Cut, run: int) -> None:
    """The failed item's money returns to the employer; the item behind it is settled."""
    cut.start(run)
    cut.work(run)
    cut.bank.cure(BOB, 0)

    centercut.fail(cut.store, run, 3)
    cut.work(run)

    assert cut.reasons(run)[3] == Reason.FAILED and cut.reasons(run)[4] == Reason.ACCEPTED
    assert cut.state(run) == "completed"
    assert cut.suspense(run) == 0


def test_o_9_of_several_bad_items_on_one_account_each_can_be_failed(cut: Cut, run: int) -> None:
    """While the account is still broken: failing the first must not founder on the second."""
    cut.start(run)
    cut.work(run)

    centercut.fail(cut.store, run, 3)
    assert [one.item for one in cut.status(run).stuck] == [4]
    centercut.fail(cut.store, run, 4)

    cut.work(run)
    assert cut.state(run) == "completed"
    assert [cut.reasons(run)[item] for item in (3, 4)] == [Reason.FAILED] * 2


def test_o_9_what_waits_in_a_slice_that_went_past_it_is_not_forgotten(cut: Cut, run: int) -> None:
    """The worker has passed Bob and not yet come to Cam when Bob's item is failed: it comes back for the one behind."""
    cut.start(run)
    for _ in range(3):
        cut.step(run, items_max=2)
    assert sorted(cut.reasons(run)) == [1, 2]
    cut.bank.cure(BOB, 0)

    centercut.fail(cut.store, run, 3)
    cut.work(run)

    assert cut.reasons(run)[4] == Reason.ACCEPTED
    assert cut.state(run) == "completed"


def test_only_stuck_items_are_retried_or_failed(cut: Cut, run: int) -> None:
    """Everything else is refused by code."""
    for act in (centercut.retry, centercut.fail):
        with _refused("item-not-stuck"):
            act(cut.store, run, 3)
        with _refused("item-unknown"):
            act(cut.store, run, 7)
        with _refused("run-unknown"):
            act(cut.store, 9_999, 1)


@pytest.mark.parametrize("outcome", ["fail", "retry"])
@pytest.mark.parametrize("phase", [Phase.EARLY, Phase.IN_BUSINESS])
def test_o_9_early_items_behind_a_stuck_one_are_not_forgotten(cut: Cut, phase: Phase, outcome: str) -> None:
    """Their slice is done, and Before passes them by: what frees the account must bring workers back to them."""
    cut.bank.account(BOB)
    run = cut.wages(TUESDAY, (BOB, 10), (BOB, 11), (BOB, 12), phase=phase)
    cut.open(TUESDAY)
    cut.bank.poison(BOB)
    cut.start(run)
    cut.work(run)
    cut.bank.cure(BOB, 0)

    if outcome == "fail":
        centercut.fail(cut.store, run, 1)
    else:
        assert centercut.retry(cut.store, run, 1)
    cut.work(run)

    assert cut.state(run) == "completed"
    assert cut.stored_balance(BOB) == (23 if outcome == "fail" else 33)


def test_o_9_a_paused_runs_items_behind_anothers_stuck_item_are_not_forgotten(cut: Cut) -> None:
    """The early run's slice ended while Bob was held by the first run; it was paused when Bob was freed."""
    cut.bank.account(BOB)
    first = cut.wages(TUESDAY, (BOB, 10))
    early = cut.wages(TUESDAY, (BOB, 20), phase=Phase.EARLY)
    cut.open(TUESDAY)
    cut.bank.poison(BOB)
    cut.start(first, early)
    cut.work(first, early)
    assert cut.step(early) is None
    centercut.pause(cut.store, early)
    cut.bank.cure(BOB, 0)

    centercut.fail(cut.store, first, 1)
    assert cut.reasons(early) == {}
    centercut.resume(cut.store, early)
    cut.work(first, early)

    assert cut.state(early) == "completed"
    assert cut.stored_balance(BOB) == 20


def test_o_9_a_stuck_item_holds_its_account_over_dates(cut: Cut, run: int) -> None:
    """Wednesday's items of the account wait behind it, those of others do not."""
    later = cut.wages(WEDNESDAY, (BOB, 1), (CAM, 1))
    cut.open(WEDNESDAY)

    assert cut.balance(CAM) == 21
    [shown] = ledger.post(cut.store, [ledger.Enquiry(BOB)])
    assert isinstance(shown, ledger.Snapshot) and shown.reason == Reason.ITEM_STUCK
    cut.start(later)
    cut.work(later)
    assert cut.reasons(later) == {2: Reason.ACCEPTED}

    cut.bank.cure(BOB, 0)
    centercut.fail(cut.store, run, 3)
    assert cut.balance(BOB) == 11
    assert [entry.run for entry in cut.of_items(BOB)] == [run, later]


def test_o_9_a_transfer_with_a_held_account_is_refused_and_may_be_repeated(cut: Cut, run: int) -> None:
    """item-stuck is no decision (C-2): the key is free, and decided once the account is."""
    asked = ledger.transfer(CLIENT, key(1), ANN, BOB, 5)
    [refused] = ledger.post(cut.store, [asked])
    assert isinstance(refused, Outcome) and refused.reason == Reason.ITEM_STUCK
    cut.bank.cure(BOB, 0)
    assert centercut.retry(cut.store, run, 3)

    [moved] = ledger.post(cut.store, [asked])

    assert isinstance(moved, Outcome) and moved.accepted
    assert (cut.balance(ANN), cut.balance(BOB)) == (15, 25)
