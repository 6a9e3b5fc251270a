"""BV-01 to BV-07, BV-13 and BV-14 (bank-batch E.2): the centre cut beside online, as rules."""

from __future__ import annotations

import ast
from pathlib import Path

from banks import CLIENT, TUESDAY, key, number
from cuts import BUSINESSES, Cut
from kanjo import centercut, ledger
from kanjo.ledger import Kind, Outcome, Phase, Reason, Snapshot, transfer, withdrawal

ANN, BOB, CAM = number(1), number(2), number(3)


def test_bv_01_the_cut_comes_first_on_each_account(cut: Cut) -> None:
    """While the cut is half done, the settled and the unsettled account alike show item first, then online."""
    for account in (ANN, BOB):
        cut.bank.account(account, 100)
    run = cut.wages(TUESDAY, (ANN, 1_000), (BOB, 1_000), slice_items=1)
    cut.open(TUESDAY)
    cut.start(run)
    assert cut.step(run) == 1

    assert [cut.atm(account, -500, account) for account in (ANN, BOB)] == [Reason.ACCEPTED] * 2

    for account in (ANN, BOB):
        assert [entry.amount_yen for entry in cut.bank.entries(account)] == [100, 1_000, -500]
    cut.work(run)
    assert cut.status(run).totals.settled_by_before == 1


def test_bv_02_a_cut_that_runs_into_the_day_is_as_correct(cut: Cut) -> None:
    """The whole day passes online before the first worker starts: the results are those of a cut in time."""
    cut.bank.account(ANN, 0)
    cut.bank.account(BOB, 700)
    wages = cut.wages(TUESDAY, (ANN, 1_000))
    bills = cut.bills(TUESDAY, (ANN, 900), (BOB, 800))
    cut.open(TUESDAY)

    assert cut.atm(ANN, -200, "short by then") == Reason.INSUFFICIENT_FUNDS
    assert cut.atm(BOB, 5_000, "too late for the bill") == Reason.ACCEPTED
    cut.run(wages, bills)

    assert cut.codes(bills) == [0, 1]
    assert (cut.stored_balance(ANN), cut.stored_balance(BOB)) == (100, 5_700)


def test_bv_03_inputs_are_files_or_what_the_bank_itself_makes() -> None:
    """A business says where items come from: the built-in ones read files, these here make them; the cut sees no
    difference.
    """
    installed = centercut.businesses()

    assert {"payroll", "bonus", "bulk-transfer", "direct-debit"} <= set(installed)
    assert all(isinstance(business, centercut.Business) for business in [*installed.values(), *BUSINESSES.values()])


def test_bv_04_before_settles_the_items_of_that_account_only_in_the_batchs_order(cut: Cut) -> None:
    """Three runs due on Ann go by priority, then number; Bob's items wait for somebody to ask for Bob."""
    cut.bank.account(ANN, 0)
    cut.bank.account(BOB, 0)
    third = cut.bills(TUESDAY, (ANN, 30), (BOB, 1))
    first = cut.wages(TUESDAY, (ANN, 100), (BOB, 1), priority=10)
    second = cut.bills(TUESDAY, (ANN, 60), priority=20)
    cut.open(TUESDAY)

    assert cut.atm(ANN, -10, 1) == Reason.ACCEPTED

    entries = cut.bank.entries(ANN)
    assert [(entry.run, entry.amount_yen) for entry in entries] == [
        (first, 100),
        (second, -60),
        (third, -30),
        (None, -10),
    ]
    assert cut.of_items(BOB) == []


def test_bv_04_a_transfer_settles_both_its_accounts(cut: Cut) -> None:
    """The unit of order is the account: of two accounts in one transaction both come first."""
    cut.bank.account(ANN, 0)
    cut.bank.account(BOB, 0)
    cut.wages(TUESDAY, (ANN, 100), (BOB, 200))
    cut.open(TUESDAY)

    [moved] = ledger.post(cut.store, [transfer(CLIENT, key(1), ANN, BOB, 100)])

    assert isinstance(moved, Outcome) and [line.balance_yen for line in moved.entries] == [0, 300]


def test_bv_05_the_batch_skips_what_before_did(cut: Cut) -> None:
    """Each item posts once, and both know who did it."""
    for account in (ANN, BOB, CAM):
        cut.bank.account(account, 0)
    run = cut.wages(TUESDAY, (ANN, 1), (BOB, 2), (CAM, 3))
    cut.open(TUESDAY)
    assert cut.balance(BOB) == 2

    cut.run(run)

    totals = cut.status(run).totals
    assert (totals.settled, totals.accepted, totals.settled_by_before) == (3, 3, 1)
    assert [len(cut.of_items(account)) for account in (ANN, BOB, CAM)] == [1, 1, 1]


def test_bv_06_what_needs_no_order_goes_to_the_early_cut(cut: Cut) -> None:
    """Before passes by early and in-business items; only workers settle them."""
    cut.bank.account(ANN, 0)
    before = cut.wages(TUESDAY, (ANN, 1))
    early = cut.wages(TUESDAY, (ANN, 10), phase=Phase.EARLY)
    later = cut.wages(TUESDAY, (ANN, 100), phase=Phase.IN_BUSINESS)
    cut.open(TUESDAY)

    assert cut.balance(ANN) == 1
    cut.run(before, early, later)

    assert cut.balance(ANN) == 111


def test_bv_07_online_knows_nothing_of_future_dates(cut: Cut) -> None:
    """Online on the day before touches no item, and what decides and posts has no notion of a run's future but its
    due date: it imports nothing of the centre cut.
    """
    cut.bank.account(ANN, 1_000)
    run = cut.bills(TUESDAY, (ANN, 600))
    before = cut.bank.rows()

    assert cut.atm(ANN, -100, 1) == Reason.ACCEPTED

    after = cut.bank.rows()
    changed = {table for table in after if after[table] != before.get(table, 0)}
    assert {table.split(".")[-1].split("_2")[0] for table in changed} in ({"entry", "request"}, {"entries", "requests"})
    assert cut.reasons(run) == {}
    sources = list(Path(ledger.__file__).parent.glob("*.py"))
    imported = {
        name
        for source in sources
        for node in ast.walk(ast.parse(source.read_text("utf-8")))
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [])
    }
    assert sources and not any("centercut" in (name or "") for name in imported)


def test_bv_13_items_stay_settled_when_the_online_part_is_refused(cut: Cut) -> None:
    """For every reason to refuse the transaction behind them."""
    cut.bank.account(ANN, 0)
    cut.bank.account(BOB, 0, status=ledger.Status.FROZEN)
    run = cut.wages(TUESDAY, (ANN, 5), (BOB, 5), (ANN, 6))
    cut.open(TUESDAY)

    [short, frozen] = ledger.post(
        cut.store, [withdrawal(CLIENT, key(1), ANN, 12), transfer(CLIENT, key(2), ANN, BOB, 1)]
    )

    assert isinstance(short, Outcome) and short.reason == Reason.INSUFFICIENT_FUNDS
    assert isinstance(frozen, Outcome) and frozen.reason == Reason.ACCOUNT_FROZEN
    assert cut.reasons(run) == {1: Reason.ACCEPTED, 2: Reason.ACCOUNT_FROZEN, 3: Reason.ACCEPTED}
    assert cut.stored_balance(ANN) == 11


def test_bv_14_an_enquiry_shows_the_balance_behind_what_is_due(cut: Cut) -> None:
    """It is a transaction too: the items are settled by it, and it says on what it was decided (O-2)."""
    cut.bank.account(ANN, 50)
    run = cut.wages(TUESDAY, (ANN, 200))
    bills = cut.bills(TUESDAY, (ANN, 100))
    assert cut.balance(ANN) == 50
    cut.open(TUESDAY)

    [shown] = ledger.post(cut.store, [ledger.Enquiry(ANN)])

    assert isinstance(shown, Snapshot)
    assert (shown.balance_yen, shown.sequence, shown.business_date) == (150, 3, TUESDAY)
    assert cut.reasons(run) == cut.reasons(bills) == {1: Reason.ACCEPTED}
    kinds = [entry.kind for entry in cut.bank.entries(ANN)]
    assert kinds == [Kind.OPENING, Kind.ITEM_CREDIT, Kind.ITEM_DEBIT]
