"""Posting on both stores: keys, Before, bounded steps, carry-over (rules C-2, C-5, O-4, O-5, O-8)."""

from __future__ import annotations

import threading

import msgspec
import pytest

from banks import (
    CLIENT,
    CREDIT,
    DEBIT,
    MONDAY,
    TUESDAY,
    WEDNESDAY,
    Bank,
    PostgresBank,
    answer,
    key,
    number,
    prove,
    reasons,
)
from kanjo import ledger
from kanjo.ledger import Enquiry, Outcome, Phase, Reason, Snapshot, deposit, transfer, withdrawal
from kanjo.ledger.post import post_once

A, B, C = number(1), number(2), number(3)


def test_a_posting_moves_money_and_is_kept(bank: Bank) -> None:
    """A deposit changes the balance, leaves one entry with its cause, and stores what it was decided on (O-2)."""
    bank.account(A, 1_000)
    outcome = answer(bank, deposit(CLIENT, key(1), A, 500))
    assert outcome.accepted and not outcome.replayed
    assert outcome.touched == (ledger.Touch(A, 1, 1_000),)
    assert outcome.entries == (ledger.EntryLine(A, 2, 500, 1_500),)
    entry = bank.entries(A)[-1]
    assert (entry.client, entry.key, entry.kind) == (CLIENT, key(1), ledger.Kind.DEPOSIT)
    assert (entry.contra, entry.date, entry.value_date) == (ledger.Code.CASH, MONDAY, MONDAY)
    prove(bank)


def test_the_same_key_is_answered_with_the_first_outcome(bank: Bank) -> None:
    """C-2: asked again, accepted or refused, the first outcome is answered, whatever has happened since."""
    bank.account(A, 1_000)
    asked = [withdrawal(CLIENT, key("paid"), A, 900), withdrawal(CLIENT, key("short"), A, 900)]
    first = ledger.post(bank.store, asked)
    answer(bank, deposit(CLIENT, key("more"), A, 5_000))
    again = ledger.post(bank.store, asked)
    assert again == [msgspec.structs.replace(outcome, replayed=True) for outcome in first]
    assert [one.reason for one in again if isinstance(one, Outcome)] == [Reason.ACCEPTED, Reason.INSUFFICIENT_FUNDS]
    assert bank.balances()[A].balance_yen == 5_100


def test_the_same_key_with_other_content_is_refused_and_not_stored(bank: Bank) -> None:
    """Law 2: key-reused, and the first outcome stands under the key."""
    bank.account(A, 1_000)
    answer(bank, deposit(CLIENT, key(1), A, 10))
    assert answer(bank, deposit(CLIENT, key(1), A, 11)).reason == Reason.KEY_REUSED
    assert answer(bank, withdrawal(CLIENT, key(1), A, 10)).reason == Reason.KEY_REUSED
    assert answer(bank, deposit(CLIENT, key(1), A, 10)).replayed
    assert bank.requests() == {key(1): Reason.ACCEPTED}
    assert bank.balances()[A].balance_yen == 1_010


def test_a_key_is_unique_per_client(bank: Bank) -> None:
    """C-2: two clients may use one key."""
    bank.account(A, 1_000)
    first, second = answer(bank, deposit("one", key(1), A, 10)), answer(bank, deposit("two", key(1), A, 20))
    assert first.accepted and second.accepted and not second.replayed
    assert bank.balances()[A].balance_yen == 1_030


def test_a_duplicate_in_one_batch_gets_the_first_outcome(bank: Bank) -> None:
    """C-2: the second of two equal members is a replay, the third with other content is refused."""
    bank.account(A, 1_000)
    asked = [deposit(CLIENT, key(1), A, 10), deposit(CLIENT, key(1), A, 10), deposit(CLIENT, key(1), A, 11)]
    first, second, third = ledger.post(bank.store, asked)
    assert isinstance(first, Outcome) and isinstance(second, Outcome) and isinstance(third, Outcome)
    assert (first.replayed, second.replayed, third.reason) == (False, True, Reason.KEY_REUSED)
    assert bank.balances()[A].balance_yen == 1_010


def test_two_at_once_with_the_same_key_have_one_outcome(postgres: PostgresBank) -> None:
    """C-2: a duplicate that arrives while the first is under way waits and gets the first outcome."""
    postgres.account(A, 100_000)
    asked = [withdrawal(CLIENT, key(index), A, 10) for index in range(20)]
    asked += [withdrawal(CLIENT, key(index), number(99), 10) for index in range(20, 40)]  # nothing to wait on but keys
    start = threading.Barrier(4)
    found: list[list[Outcome]] = []

    def ask() -> None:
        with postgres.database.connect(autocommit=True) as connection:
            store = ledger.PostgresStore(connection)
            start.wait(10)
            found.append([ledger.post(store, [one])[0] for one in asked])  # type: ignore[misc]

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == 4
    for outcomes in zip(*found, strict=True):
        assert sorted(outcome.replayed for outcome in outcomes) == [False, True, True, True]
        assert len({msgspec.structs.replace(outcome, replayed=False) for outcome in outcomes}) == 1
    assert postgres.balances()[A].balance_yen == 99_800
    prove(postgres)


def test_sv_3_before_settles_what_is_due_ahead_of_online(bank: Bank) -> None:
    """BV-04: salary first, then the withdrawal that needs it; the batch finds nothing left (BV-05)."""
    bank.account(A, 50_000)
    run = bank.run(MONDAY)
    bank.items(run, [(A, CREDIT, 200_000)])
    assert answer(bank, withdrawal(CLIENT, key(1), A, 100_000)).accepted
    assert [entry.amount_yen for entry in bank.entries(A)] == [50_000, 200_000, -100_000]
    assert bank.results(run)[1].before
    assert ledger.settle(bank.store, [A]) == 0
    prove(bank)


def test_bv_13_items_stay_settled_when_the_transaction_is_refused(bank: Bank) -> None:
    """SV-4: the item's result does not depend on the transaction behind it."""
    bank.account(A, 50_000)
    run = bank.run(MONDAY)
    bank.items(run, [(A, CREDIT, 200_000)])
    assert answer(bank, withdrawal(CLIENT, key(1), A, 300_000)).reason == Reason.INSUFFICIENT_FUNDS
    assert reasons(bank, run) == {1: Reason.ACCEPTED}
    assert bank.balances()[A].balance_yen == 250_000


def test_bv_14_an_enquiry_settles_first(bank: Bank) -> None:
    """C-5: the balance shown is the one after all that is due, with the date and the sequence it stands on."""
    bank.account(A, 50_000)
    bank.items(bank.run(MONDAY), [(A, CREDIT, 200_000), (A, DEBIT, 1)])
    shown = ledger.enquire(bank.store, A)
    assert (shown.balance_yen, shown.sequence, shown.business_date) == (250_000 - 1, 3, MONDAY)
    assert ledger.enquire(bank.store, number(9)).reason == Reason.ACCOUNT_UNKNOWN


def test_a_transfer_settles_both_accounts_first(bank: Bank) -> None:
    """Before does so for both accounts, so that what arrives meets what was due there."""
    bank.account(A)
    bank.account(B)
    run = bank.run(MONDAY)
    bank.items(run, [(A, CREDIT, 100), (B, DEBIT, 50)])
    assert answer(bank, transfer(CLIENT, key(1), A, B, 100)).accepted
    assert reasons(bank, run) == {1: Reason.ACCEPTED, 2: Reason.INSUFFICIENT_FUNDS}
    assert bank.balances()[B].balance_yen == 100


def test_only_pre_business_items_that_are_due_are_settled_by_a_door(bank: Bank) -> None:
    """O-4: not those of a later date, of another phase, or of a cancelled run."""
    bank.account(A)
    runs = [bank.run(TUESDAY), bank.run(MONDAY, phase=Phase.EARLY), bank.run(MONDAY, phase=Phase.IN_BUSINESS)]
    cancelled = bank.run(MONDAY)
    for run in (*runs, cancelled):
        bank.items(run, [(A, CREDIT, 1)])
    bank.cancel(cancelled)
    assert ledger.enquire(bank.store, A).balance_yen == 0
    assert ledger.settle(bank.store, [A], also=[*runs[1:], cancelled]) == 3
    assert reasons(bank, cancelled) == {1: Reason.CANCELLED}
    assert bank.results(runs[0]) == {}
    assert bank.balances()[A].balance_yen == 2


def test_items_come_in_the_order_of_o_1(bank: Bank) -> None:
    """O-1: due date, priority, run number, item number; the phases without an order come behind."""
    bank.account(A)
    early = bank.run(MONDAY, phase=Phase.EARLY, priority=1)
    debit, second, first = bank.run(TUESDAY, priority=60), bank.run(TUESDAY), bank.run(TUESDAY, priority=20)
    carried = bank.run(MONDAY, priority=60)
    order = [carried, first, second, debit, early]
    for run in order:
        bank.items(run, [(A, CREDIT, 1), (A, CREDIT, 2)])
    bank.open(TUESDAY)
    assert ledger.settle(bank.store, [A], also=[early]) == 10
    assert [(entry.run, entry.item) for entry in bank.entries(A)] == [(run, item) for run in order for item in (1, 2)]


def test_carried_over_items_bear_todays_booking_date_and_their_own_value_date(bank: Bank) -> None:
    """O-5: they precede the new date's items."""
    bank.account(A, 100)
    old, new = bank.run(TUESDAY, priority=60), bank.run(WEDNESDAY, priority=10)
    bank.items(old, [(A, DEBIT, 80)])
    bank.items(new, [(A, DEBIT, 30), (A, CREDIT, 5)])
    bank.open(WEDNESDAY)
    ledger.enquire(bank.store, A)
    assert reasons(bank, old) == {1: Reason.ACCEPTED}
    assert reasons(bank, new) == {1: Reason.INSUFFICIENT_FUNDS, 2: Reason.ACCEPTED}
    dates = [(entry.date, entry.value_date) for entry in bank.entries(A)][1:]
    assert dates == [(WEDNESDAY, TUESDAY), (WEDNESDAY, WEDNESDAY)]
    assert bank.results(old)[1].date == WEDNESDAY


def test_a_refused_item_stores_what_it_was_decided_on(bank: Bank) -> None:
    """O-2: sequence and balance before the decision, zero for an account that is not there."""
    bank.account(A, 10)
    run = bank.run(MONDAY)
    bank.items(run, [(A, CREDIT, 5), (A, DEBIT, 99), (number(9), CREDIT, 1)])
    ledger.settle(bank.store, [A, number(9)])
    assert bank.results(run) == {
        1: (Reason.ACCEPTED, MONDAY, 1, 10, False),
        2: (Reason.INSUFFICIENT_FUNDS, MONDAY, 2, 15, False),
        3: (Reason.ACCOUNT_UNKNOWN, MONDAY, 0, 0, False),
    }


def test_o_8_a_thousand_items_of_one_account_in_small_steps(bank: Bank) -> None:
    """The transaction behind them is decided in a commit that finds none left."""
    bank.account(A)
    bank.account(B)
    run = bank.run(MONDAY)
    bank.items(run, [(A, CREDIT, 1) for _ in range(1_000)])
    asked: list[ledger.Asked] = [deposit(CLIENT, key(2), B, 5), withdrawal(CLIENT, key(1), A, 1_000), Enquiry(A)]
    other, outcome, shown = ledger.post(bank.store, asked, items_max=64)
    assert isinstance(outcome, Outcome) and outcome.accepted and outcome.touched == (ledger.Touch(A, 1_000, 1_000),)
    assert isinstance(shown, Snapshot) and (shown.balance_yen, shown.sequence) == (0, 1_001)
    assert isinstance(other, Outcome) and other.accepted
    assert [entry.item for entry in bank.entries(A)][:-1] == list(range(1, 1_001))
    prove(bank)


@pytest.mark.parametrize("items_max", [1, 7, 64, 5_000])
def test_o_8_many_accounts_in_small_steps(bank: Bank, items_max: int) -> None:
    """Over 500 accounts are looked up as one range, bounded by items over all of them."""
    if items_max == 1:
        items_max = 40  # a commit each would only take long
    busy = number(300)
    accounts = [bank.account(number(index)) for index in range(1, 601)]
    first, second = bank.run(MONDAY, priority=60), bank.run(MONDAY)
    bank.items(first, [(account, DEBIT, 1) for account in accounts])
    bank.items(second, [(busy, CREDIT, 1) for _ in range(200)] + [(account, CREDIT, 1) for account in accounts[:100]])
    assert ledger.settle(bank.store, accounts, items_max=items_max) == 900
    paid = {item for item, reason in reasons(bank, first).items() if reason == Reason.ACCEPTED}
    assert paid == {*range(1, 101), 300}
    assert [entry.run for entry in bank.entries(busy)] == [second] * 200 + [first]
    prove(bank)


def test_o_8_a_commit_that_many_share_has_a_bound_of_its_own(bank: Bank) -> None:
    """Five items of an account at most, and twenty of all: who has fewer due than that may wait too, others do not."""
    accounts = [bank.account(number(index)) for index in range(1, 13)]
    free = bank.account(number(20))
    run = bank.run(MONDAY)
    bank.items(run, [(account, CREDIT, 1) for account in accounts for _ in range(4)])
    asked = [deposit(CLIENT, key(account), account, 1) for account in [*accounts, free]]
    posted = post_once(bank.store, asked, items_max=5)
    assert len(bank.results(run)) == 20
    assert posted.unfinished == set(accounts[5:])
    assert [found is None for found in posted.answers] == [False] * 5 + [True] * 7 + [False]
    assert all(answer(bank, one).accepted for one in asked)
    prove(bank)


def test_o_8_instructions_on_many_accounts_wait_for_what_is_due(postgres: PostgresBank) -> None:
    """A batch over more than 500 accounts is answered whole, in steps, each after Before."""
    accounts = [number(index) for index in range(1, 601)]
    postgres.accounts((account, 0) for account in accounts)
    run = postgres.run(MONDAY)
    postgres.items(run, [(account, CREDIT, 10) for account in accounts for _ in range(3)])
    asked = [withdrawal(CLIENT, key(account), account, 30) for account in accounts]
    answers = ledger.post(postgres.store, asked, items_max=500)
    assert all(isinstance(found, Outcome) and found.accepted for found in answers)
    assert all(result.before for result in postgres.results(run).values())
    prove(postgres)


def test_a_batch_keeps_its_order_when_some_of_it_has_to_wait(bank: Bank) -> None:
    """O-8: what stands behind an instruction that waits for items, on its accounts or its key, waits too."""
    bank.account(A)
    bank.account(B)
    bank.items(bank.run(MONDAY), [(A, CREDIT, 10) for _ in range(10)])
    asked: list[ledger.Asked] = [
        transfer(CLIENT, key("in"), A, B, 100),
        withdrawal(CLIENT, key("out"), B, 100),
        ledger.PlaceHold(client=CLIENT, key=key("hold"), account=B, amount_yen=1),
        ledger.Reverse(client=CLIENT, key=key("back"), original=key("out")),
        ledger.PlaceHold(client=CLIENT, key=key("hold 2"), account=B, amount_yen=60),
        ledger.CaptureHold(client=CLIENT, key=key("take"), hold=key("hold 2"), amount_yen=50),
        Enquiry(B),
    ]
    *outcomes, shown = ledger.post(bank.store, asked, items_max=3)
    assert [outcome.reason for outcome in outcomes if isinstance(outcome, Outcome)] == [
        Reason.ACCEPTED,
        Reason.ACCEPTED,
        Reason.INSUFFICIENT_FUNDS,
        Reason.ACCEPTED,
        Reason.ACCEPTED,
        Reason.ACCEPTED,
    ]
    assert isinstance(shown, Snapshot) and (shown.balance_yen, shown.held_yen) == (50, 0)


def test_post_in_says_when_items_have_to_be_settled_first(bank: Bank) -> None:
    """A caller's own unit gets None instead of a second commit."""
    bank.account(A)
    bank.items(bank.run(MONDAY), [(A, CREDIT, 1) for _ in range(10)])
    with bank.store.unit() as unit:
        assert ledger.post_in(unit, [deposit(CLIENT, key(1), A, 1)], items_max=4) == [None]
    assert len(bank.entries(A)) == 4


def test_post_in_is_undone_with_the_callers_unit(bank: Bank) -> None:
    """What a caller's unit undoes leaves no entry, no outcome and no settled item."""
    bank.account(A)
    run = bank.run(MONDAY)
    bank.items(run, [(A, CREDIT, 1)])

    def fail_late() -> None:
        with bank.store.unit() as unit:
            ledger.post_in(unit, [deposit(CLIENT, key(1), A, 1)])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_late()
    assert (bank.entries(A), bank.requests(), bank.results(run)) == ([], {}, {})
    assert answer(bank, deposit(CLIENT, key(1), A, 1)).replayed is False


def test_before_the_first_date_nothing_is_decided_or_stored(bank: Bank) -> None:
    """C-2: day-not-open is no decision; the key is free once the ledger has a date. A worker finds nothing due."""
    bank.account(A, 10)
    bank.open(None)  # type: ignore[arg-type]
    assert answer(bank, deposit(CLIENT, key(1), A, 1)).reason == Reason.DAY_NOT_OPEN
    assert ledger.enquire(bank.store, A).reason == Reason.DAY_NOT_OPEN
    assert ledger.settle(bank.store, [A]) == 0
    bank.open(MONDAY)
    assert answer(bank, deposit(CLIENT, key(1), A, 1)).accepted


def test_a_posting_of_several_movements_is_all_or_nothing(bank: Bank) -> None:
    """One short leg refuses all of them, and the accounts keep their sequences."""
    bank.account(A, 100)
    bank.account(B)
    movements = (ledger.Movement(A, B, 100), ledger.Movement(B, C, 40))
    asked = ledger.Post(client=CLIENT, key=key(1), kind_of=ledger.Kind.TRANSFER, movements=movements)
    assert answer(bank, asked).reason == Reason.ACCOUNT_UNKNOWN
    assert bank.balances() == {A: (100, 0, 1), B: (0, 0, 0)}
    bank.account(C)
    assert answer(bank, msgspec.structs.replace(asked, key=key(2))).accepted
    assert {account: found.balance_yen for account, found in bank.balances().items()} == {A: 0, B: 60, C: 40}


def test_movements_between_codes_are_kept_as_internal_entries(bank: Bank) -> None:
    """A posting may touch no customer at all; its key is answered again like any other."""
    movement = ledger.Movement(int(ledger.Code.CASH), int(ledger.Code.SUSPENSE), 70)
    asked = ledger.Post(client=CLIENT, key=key(1), kind_of=ledger.Kind.RUN_CLOSING, movements=(movement,), run=5)
    first = answer(bank, asked)
    assert first.accepted and first.entries == () and first.run == 5
    assert answer(bank, asked) == msgspec.structs.replace(first, replayed=True)
