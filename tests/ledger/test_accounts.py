"""Opening, changing and closing accounts on both stores, and what O-6 asks of them (rules C-4, O-6)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from banks import CLIENT, CREDIT, DEBIT, MONDAY, TUESDAY, Bank, answer, key, number, prove, reasons
from kanjo import ledger
from kanjo.ledger import ChangeAccount, Enquiry, OpenAccount, Outcome, Phase, PlaceHold, Reason, Status, deposit

A, B = number(1), number(2)


def _change(
    name: object, account: int = A, *, status: Status | None = None, floor_yen: int | None = None
) -> ChangeAccount:
    return ChangeAccount(client=CLIENT, key=key(name), account=account, status=status, floor_yen=floor_yen)


def _open(name: object, account: int = A, floor_yen: int = 0) -> OpenAccount:
    return OpenAccount(client=CLIENT, key=key(name), account=account, product=1, floor_yen=floor_yen, name_kana="ﾔﾏﾀﾞ")


def test_an_account_is_opened_once(bank: Bank) -> None:
    """With a balance of zero; the same number again is refused, the same key is a replay."""
    assert answer(bank, _open(1)).accepted
    assert answer(bank, _open(1)).replayed
    assert answer(bank, _open(2)).reason == Reason.ACCOUNT_EXISTS
    shown = ledger.enquire(bank.store, A)
    assert (shown.balance_yen, shown.status, shown.product, shown.sequence) == (0, Status.OPEN, 1, 0)


def test_an_account_is_opened_used_and_changed_in_one_batch(bank: Bank) -> None:
    """Each stands on what was decided before it in the batch."""
    asked: list[ledger.Asked] = [
        deposit(CLIENT, key("too soon"), A, 5),
        _open(1, floor_yen=-50),
        deposit(CLIENT, key(2), A, 5),
        _change(3, status=Status.FROZEN, floor_yen=-60),
        deposit(CLIENT, key(4), A, 5),
        Enquiry(A),
    ]
    *outcomes, shown = ledger.post(bank.store, asked)
    assert [one.reason.word for one in outcomes if isinstance(one, Outcome)] == [
        "account-unknown",
        "accepted",
        "accepted",
        "accepted",
        "account-frozen",
    ]
    assert isinstance(shown, ledger.Snapshot)
    assert shown == ledger.enquire(bank.store, A)
    assert (shown.balance_yen, shown.floor_yen, shown.status, shown.available_yen) == (5, -60, Status.FROZEN, 65)
    prove(bank)


def test_o_6_opening_a_number_with_pending_items_settles_them_first(bank: Bank) -> None:
    """They were due before the account was there, so they are refused, as the batch would have had it."""
    run = bank.run(MONDAY)
    bank.items(run, [(A, CREDIT, 100)])
    assert answer(bank, _open(1)).accepted
    assert reasons(bank, run) == {1: Reason.ACCOUNT_UNKNOWN}
    assert bank.balances()[A].balance_yen == 0


def test_o_6_an_item_due_later_finds_the_account_that_was_opened(bank: Bank) -> None:
    """Tomorrow's item is decided tomorrow."""
    run = bank.run(TUESDAY)
    bank.items(run, [(A, CREDIT, 100)])
    answer(bank, _open(1))
    bank.open(TUESDAY)
    assert ledger.enquire(bank.store, A).balance_yen == 100


@pytest.mark.parametrize(
    ("status", "paid_in", "paid_out"),
    [
        (Status.DEBIT_STOPPED, Reason.ACCEPTED, Reason.DEBIT_STOPPED),
        (Status.FROZEN, Reason.ACCOUNT_FROZEN, Reason.ACCOUNT_FROZEN),
    ],
)
def test_a_status_holds_and_is_lifted(bank: Bank, status: Status, paid_in: Reason, paid_out: Reason) -> None:
    """Debit-stopped takes credits only, frozen neither; open again takes both."""
    bank.account(A, 100)
    answer(bank, _change(1, status=status))
    assert answer(bank, deposit(CLIENT, key(2), A, 1)).reason == paid_in
    assert answer(bank, ledger.withdrawal(CLIENT, key(3), A, 1)).reason == paid_out
    answer(bank, _change(4, status=Status.OPEN))
    assert answer(bank, deposit(CLIENT, key(5), A, 1)).accepted
    assert answer(bank, ledger.withdrawal(CLIENT, key(6), A, 1)).accepted


def test_a_floor_is_not_raised_over_what_is_there(bank: Bank) -> None:
    """Balance less what is held must stay at the floor or above it."""
    bank.account(A, 100)
    answer(bank, PlaceHold(client=CLIENT, key=key("hold"), account=A, amount_yen=40))
    assert answer(bank, _change(1, floor_yen=61)).reason == Reason.INSUFFICIENT_FUNDS
    assert answer(bank, _change(2, floor_yen=60)).accepted
    assert ledger.enquire(bank.store, A).available_yen == 0


def test_c_4_an_account_with_a_balance_is_not_closed(bank: Bank) -> None:
    """Neither with money nor with a debt."""
    bank.account(A, 1)
    bank.account(B, floor_yen=-10)
    answer(bank, ledger.withdrawal(CLIENT, key(0), B, 10))
    assert answer(bank, _change(1, status=Status.CLOSED)).reason == Reason.ACCOUNT_NOT_EMPTY
    assert answer(bank, _change(2, B, status=Status.CLOSED)).reason == Reason.ACCOUNT_NOT_EMPTY


def test_c_4_an_account_with_a_hold_is_not_closed(bank: Bank) -> None:
    """A hold over an overdraft leaves the balance at zero; its capture is still to come."""
    bank.account(A, floor_yen=-100)
    answer(bank, PlaceHold(client=CLIENT, key=key("hold"), account=A, amount_yen=40))
    assert answer(bank, _change(1, status=Status.CLOSED)).reason == Reason.ACCOUNT_NOT_EMPTY
    answer(bank, ledger.ReleaseHold(client=CLIENT, key=key(2), hold=key("hold")))
    assert answer(bank, _change(3, status=Status.CLOSED)).accepted


def test_c_4_an_account_of_an_open_run_is_not_closed(bank: Bank) -> None:
    """Money will still be credited to it; once the run is closed it may go."""
    bank.account(A)
    run = bank.run(TUESDAY, account=A)
    assert answer(bank, _change(1, status=Status.CLOSED)).reason == Reason.ACCOUNT_NOT_EMPTY
    assert answer(bank, _change(2, status=Status.FROZEN)).accepted
    bank.close(run)
    assert answer(bank, _change(3, status=Status.CLOSED)).accepted


def test_a_closed_account_is_closed_for_good(bank: Bank) -> None:
    """Nothing reaches it, not even a change back; its number is not opened again."""
    bank.account(A)
    answer(bank, _change(1, status=Status.CLOSED))
    run = bank.run(TUESDAY)
    bank.items(run, [(A, CREDIT, 1)])
    bank.open(TUESDAY)
    assert answer(bank, _change(2, status=Status.OPEN)).reason == Reason.ACCOUNT_CLOSED
    assert answer(bank, deposit(CLIENT, key(3), A, 1)).reason == Reason.ACCOUNT_CLOSED
    assert answer(bank, _open(4)).reason == Reason.ACCOUNT_EXISTS
    assert reasons(bank, run) == {1: Reason.ACCOUNT_CLOSED}


def test_closing_settles_what_is_due_first(bank: Bank) -> None:
    """O-6: the credit arrives, so the account is not empty."""
    bank.account(A)
    run = bank.run(MONDAY)
    bank.items(run, [(A, CREDIT, 1)])
    assert answer(bank, _change(1, status=Status.CLOSED)).reason == Reason.ACCOUNT_NOT_EMPTY
    assert reasons(bank, run) == {1: Reason.ACCEPTED}


def test_mandates_are_asked_as_of_the_due_date(bank: Bank) -> None:
    """A.6: stopped, missing or there; a list that counts from a later date, or none at all, is not asked."""
    bank.account(A, 1_000)
    rows = [(A, "C1", MONDAY, False), (A, "C2", MONDAY, True), (A, "C4", TUESDAY, False)]
    bank.mandates("ORIG", MONDAY, rows)
    bank.mandates("LATE", TUESDAY, [])
    runs = [bank.run(MONDAY, originator=name) for name in ("ORIG", "LATE", "NONE")]
    for run in runs:
        bank.items(run, [(A, DEBIT, 1, f"C{index}") for index in (1, 2, 3, 4)])
    bank.open(TUESDAY)
    ledger.settle(bank.store, [A])
    assert [reasons(bank, run) for run in runs] == [
        {1: Reason.ACCEPTED, 2: Reason.MANDATE_STOPPED, 3: Reason.NO_MANDATE, 4: Reason.NO_MANDATE},
        dict.fromkeys((1, 2, 3, 4), Reason.ACCEPTED),
        dict.fromkeys((1, 2, 3, 4), Reason.ACCEPTED),
    ]


CHANGES: dict[str, Callable[[int], list[ledger.Asked]]] = {
    "status": lambda base: [_change(base, base, status=Status.FROZEN)],
    "debit stop": lambda base: [_change(base, base, status=Status.DEBIT_STOPPED)],
    "floor": lambda base: [_change(base, base, floor_yen=-500)],
    "hold placed": lambda base: [PlaceHold(client=CLIENT, key=key(base), account=base, amount_yen=35)],
    "hold released": lambda base: [ledger.ReleaseHold(client=CLIENT, key=key(base), hold=key((base, "open")))],
    "hold captured": lambda base: [ledger.CaptureHold(client=CLIENT, key=key(base), hold=key((base, "open")))],
    "hold expired": lambda base: [Enquiry(base)],
    "account opened": lambda base: [_open(base, base + 1)],
    "account closed": lambda base: [
        ledger.withdrawal(CLIENT, key((base, "all")), base, 70),
        _change(base, base, status=Status.CLOSED),
    ],
    "reversal": lambda base: [ledger.Reverse(client=CLIENT, key=key(base), original=key((base, "early")))],
    "transfer": lambda base: [ledger.transfer(CLIENT, key(base), base, base + 2, 40)],
}
"""What could change an item's outcome (O-6), as instructions on the account `base` and its two neighbours."""


@pytest.mark.parametrize("kind", CHANGES)
def test_o_6_batch_first_and_batch_last_are_equal(bank: Bank, kind: str) -> None:
    """For each kind of change: the items' results and all balances are the same, whoever came first."""
    bases = {True: number(10), False: number(20)}
    found = []
    for batch_first, base in bases.items():
        accounts = [base, base + 1, base + 2]
        bank.account(base, 100)
        bank.account(base + 2)
        place = PlaceHold(client=CLIENT, key=key((base, "open")), account=base, amount_yen=30)
        short = PlaceHold(client=CLIENT, key=key((base, "short")), account=base, amount_yen=20, expires_on=MONDAY)
        if kind == "account closed":
            ledger.post(bank.store, [deposit(CLIENT, key((base, "early")), base, 20)])
        else:
            ledger.post(bank.store, [deposit(CLIENT, key((base, "early")), base, 20), place, short])
        run = bank.run(TUESDAY)
        later = bank.run(TUESDAY, phase=Phase.PRE_BUSINESS, priority=60)
        bank.items(run, [(base, DEBIT, 80), (base + 1, CREDIT, 5), (base + 2, CREDIT, 1), (base, CREDIT, 30)])
        bank.items(later, [(base, DEBIT, 90), (base + 1, DEBIT, 5), (base + 2, DEBIT, 1)])
        found.append((batch_first, base, accounts, run, later))
    bank.open(TUESDAY)
    seen = []
    for batch_first, base, accounts, run, later in found:
        if batch_first:
            ledger.settle(bank.store, accounts)
        answers = ledger.post(bank.store, CHANGES[kind](base))
        ledger.settle(bank.store, accounts)
        results = [
            [(item, result.reason, result.sequence, result.balance_yen) for item, result in bank.results(one).items()]
            for one in (run, later)
        ]
        balances = bank.balances()
        reason = [one.reason for one in answers if not isinstance(one, ledger.NotDecided)]
        seen.append((reason, results, [balances.get(account) for account in accounts]))
    assert seen[0] == seen[1]
    assert seen[0][0][0] == Reason.ACCEPTED
    prove(bank)
