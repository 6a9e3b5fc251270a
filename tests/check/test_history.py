"""Law 4 on small histories: what can be explained is accepted, and each way of bending one is found by its check."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from told import Telling, broken

from banks import CLIENT, CREDIT, MONDAY, TUESDAY, key, memory_bank, number
from kanjo import ledger
from kanjo.check import HISTORY_CHECKS, Call, How, judge
from kanjo.ledger import Enquiry, Reason

ANN, BOB, CAM = number(1), number(2), number(3)


@pytest.fixture
def day() -> Telling:
    """Monday: deposits, a transfer, a refusal, a repeated key, an item ahead of an enquiry; then Tuesday."""
    bank = memory_bank()
    for account in (ANN, BOB, CAM):
        bank.account(account, 100)
    run = bank.run(MONDAY)
    bank.items(run, [(CAM, CREDIT, 40)])
    telling = Telling(bank)
    telling.ask(ledger.deposit(CLIENT, key("d1"), ANN, 30))
    telling.ask(ledger.transfer(CLIENT, key("t1"), ANN, BOB, 50))
    telling.ask(ledger.withdrawal(CLIENT, key("short"), BOB, 9_999))
    telling.ask(ledger.transfer(CLIENT, key("t1"), ANN, BOB, 50))
    telling.ask(ledger.deposit(CLIENT, key("t1"), ANN, 1))
    telling.ask(Enquiry(CAM))
    telling.ask(Enquiry(ANN))
    bank.open(TUESDAY)
    telling.ask(Enquiry(BOB))
    telling.ask(ledger.withdrawal(CLIENT, key("w1"), BOB, 10))
    return telling


def replace(call: Call, **told: object) -> None:
    """Bend what the caller was told."""
    assert call.told is not None
    call.told = msgspec.structs.replace(call.told, **told)


def test_a_true_history_is_accepted(day: Telling) -> None:
    """Every check judged something and none cries, also where the history claims to be complete."""
    proofs = judge(day.history(CLIENT), day.stored())

    assert [proof.name for proof in proofs] == [check.name for check in HISTORY_CHECKS]
    assert [proof.violations for proof in proofs] == [()] * len(proofs)
    assert all(proof.checked for proof in proofs)


def test_an_answer_that_is_lost_is_found(day: Telling) -> None:
    """Law 4: what a caller was told accepted must be stored."""
    stored = day.stored()
    stored.requests[:] = [row for row in stored.requests if row.key != key("d1")]

    found = broken(day.history(), stored)

    assert set(found) == {"kept"}
    assert found["kept"].violations[0]["broken"] == "not stored"
    assert found["kept"].violations[0]["key"] == str(key("d1"))


@pytest.mark.parametrize(
    ("bent", "said"),
    [
        ({"reason": Reason.INSUFFICIENT_FUNDS, "entries": ()}, "stored with another outcome"),
        ({"business_date": TUESDAY}, "stored with another date"),
        ({"touched": ((ANN, 1, 99),)}, "stored as decided on something else"),
    ],
)
def test_an_answer_that_differs_from_what_is_stored_is_found(day: Telling, bent: dict[str, object], said: str) -> None:
    """Law 4: reason, date, and what it was decided on."""
    replace(day.calls[0], **bent)

    assert broken(day.history(), day.stored())["kept"].violations[0]["broken"] == said


def test_content_that_differs_from_what_is_stored_is_found(day: Telling) -> None:
    """Law 4: the same key with another amount was not what the caller asked."""
    day.calls[0].asked = ledger.deposit(CLIENT, key("d1"), ANN, 31)

    assert broken(day.history(), day.stored())["kept"].violations[0]["broken"] == "stored with other content"


def test_a_doubled_entry_is_found(day: Telling) -> None:
    """The caller was told of one entry; the ledger has two of his key."""
    stored = day.stored()
    stored.caused[(CLIENT, key("d1"))].append((ANN, 4, 30, 110))

    assert set(broken(day.history(), stored)) == {"entries_as_told"}


def test_an_answer_that_tells_of_an_entry_too_few_is_found(day: Telling) -> None:
    """And the other way round."""
    replace(day.calls[1], entries=day.calls[1].told.entries[:1])  # type: ignore[union-attr]

    assert "entries_as_told" in broken(day.history(), day.stored())


def test_an_online_decision_ahead_of_its_item_is_found(day: Telling) -> None:
    """O-2: the enquiry stands ahead of the item that was due, or the item is not even settled."""
    for after in (5, -1):
        stored = day.stored()
        stored.items[0, 2] = after

        found = broken(day.history(), stored)

        assert set(found) == {"behind_items"}
        [row] = found["behind_items"].violations
        assert row["asked"] == "enquiry" and row["must_stand_behind"] == (after if after > 0 else "not settled")


def test_an_item_due_later_may_wait(day: Telling) -> None:
    """Only what is due by the answer's date must stand before it."""
    stored = day.stored()
    stored.items[0, 1:3] = TUESDAY.toordinal(), -1

    assert broken(day.history(), stored) == {}


def test_a_stale_enquiry_is_found(day: Telling) -> None:
    """It shows the account as it was before a transfer that was answered before it was asked."""
    replace(day.calls[6], touched=((ANN, 2, 130),))

    found = broken(day.history(), day.stored())

    assert set(found) == {"never_older", "one_order"}
    [row] = found["never_older"].violations
    assert (row["account"], row["decided_on"], row["which_left"]) == ("001-1-0000001", 2, 3)
    assert str(key("t1")) in row["answered_before"]


def test_a_wrong_balance_is_found(day: Telling) -> None:
    """An enquiry shows money that no entry left."""
    replace(day.calls[6], touched=((ANN, 3, 81),))

    found = broken(day.history(), day.stored())

    assert set(found) == {"decided_on"}
    [row] = found["decided_on"].violations
    assert (row["balance"], row["balance_of_entry"]) == (81, 80)


def test_an_enquiry_on_numbers_that_are_not_there_is_found(day: Telling) -> None:
    """Ahead of the chain, or an account without any entry."""
    for touched in (((ANN, 9, 80),), ((number(77), 1, 0),), ((ANN, 2**53, 80),)):
        replace(day.calls[6], touched=touched)

        assert set(broken(day.history(), day.stored())) == {"decided_on"}


def test_two_outcomes_for_a_key_are_found(day: Telling) -> None:
    """The key's second caller was told something else than the first."""
    replace(day.calls[3], touched=((ANN, 3, 80), (BOB, 2, 150)), entries=())

    found = broken(day.history(), day.stored())

    assert {"one_outcome", "kept"} <= set(found)
    assert "another outcome" in found["one_outcome"].violations[0]["broken"]


def test_a_key_decided_twice_is_found(day: Telling) -> None:
    """Two callers are told that it was their call that decided."""
    replace(day.calls[3], replayed=False)

    found = broken(day.history(), day.stored())

    assert set(found) == {"one_outcome"}
    assert "decided twice" in found["one_outcome"].violations[0]["broken"]


def test_a_repeat_of_nothing_is_found_where_the_history_is_complete(day: Telling) -> None:
    """Somebody must have asked first; a history that is not complete cannot tell."""
    replace(day.calls[0], replayed=True)

    assert set(broken(day.history(CLIENT), day.stored())) == {"one_outcome"}
    assert broken(day.history(), day.stored()) == {}


def test_what_a_door_found_by_the_key_may_be_of_the_very_call(day: Telling) -> None:
    """It asked again by itself; but two calls that say they decided the key are still one too many."""
    replace(day.calls[0], replayed=True, resolved=True)

    assert broken(day.history(CLIENT), day.stored()) == {}


def test_a_key_said_to_be_taken_by_the_same_content_is_found(day: Telling) -> None:
    """`key-reused` is for other content."""
    day.calls[4].asked = day.calls[1].asked

    assert set(broken(day.history(), day.stored())) == {"one_outcome"}


def test_what_nobody_asked_is_found_where_the_history_is_complete(day: Telling) -> None:
    """And so is what its caller was told not to have happened; an outcome that is unknown may be stored."""
    first = day.calls[0]
    first.told = None
    assert broken(day.history(CLIENT), day.stored()) == {}
    first.how = How.UNKNOWN
    assert broken(day.history(CLIENT), day.stored()) == {}
    for how in (How.OVERLOADED, How.NOT_DECIDED):
        first.how = how
        assert set(broken(day.history(CLIENT), day.stored())) == {"asked"}
    del day.calls[0]
    assert set(broken(day.history(CLIENT), day.stored())) == {"asked"}
    assert broken(day.history(), day.stored()) == {}


def test_a_date_that_goes_back_is_found(day: Telling) -> None:
    """Monday, after an answer of Tuesday came."""
    extra = Call(0, 99, 0, "bob", Enquiry(CAM), 1_000, 1_010)
    extra.told = msgspec.structs.replace(day.calls[5].told)
    day.calls.append(extra)

    found = broken(day.history(), day.stored())

    assert set(found) == {"dates_forward", "one_order"}
    [row] = found["dates_forward"].violations
    assert (row["date"], row["its_date"]) == (str(MONDAY), str(TUESDAY))


def test_a_decision_dated_before_the_entry_it_stands_on_is_found(day: Telling) -> None:
    """An enquiry of Monday cannot show an entry of Tuesday."""
    replace(day.calls[7], touched=((BOB, 3, 140),), business_date=MONDAY)

    assert "decided_on" in broken(day.history(), day.stored())


def test_a_decision_between_two_entries_of_another_is_found() -> None:
    """A transaction is whole: nobody sees the account between its first and its second entry."""
    bank = memory_bank()
    bank.account(ANN, 100)
    telling = Telling(bank)
    movements = tuple(ledger.Movement(1000, ANN, yen) for yen in (5, 7))
    telling.at(ledger.Post(client=CLIENT, key=key("two"), kind_of=ledger.Kind.DEPOSIT, movements=movements), 10, 90)
    between = telling.at(Enquiry(ANN), 20, 30)
    assert broken(telling.history(), telling.stored()) == {}

    replace(between, touched=((ANN, 2, 105),))

    assert set(broken(telling.history(), telling.stored())) == {"apart"}


def reading_around_a_transfer(ann_us: tuple[int, int], bob_us: tuple[int, int]) -> Telling:
    """A transfer that takes long; meanwhile Ann's account is seen before it and Bob's behind it."""
    bank = memory_bank()
    for account in (ANN, BOB):
        bank.account(account, 100)
    telling = Telling(bank)
    telling.at(Enquiry(ANN), *ann_us)
    telling.at(ledger.transfer(CLIENT, key("t"), ANN, BOB, 50), 0, 100)
    telling.at(Enquiry(BOB), *bob_us)
    return telling


def test_time_reversed_across_two_accounts_is_found() -> None:
    """Bob's money is seen to have come, and afterwards Ann's not to have gone: no order explains it."""
    assert broken((fair := reading_around_a_transfer((10, 20), (30, 40))).history(), fair.stored()) == {}
    assert broken((near := reading_around_a_transfer((20, 40), (10, 20))).history(), near.stored()) == {}
    bent = reading_around_a_transfer((30, 40), (10, 20))

    found = broken(bent.history(), bent.stored())

    assert set(found) == {"one_order"}
    [row] = found["one_order"].violations
    assert row["decisions"] == 3
    for said in (
        "comes before transfer",
        "by the numbers of account 001-1-0000001",
        "by the numbers of account 001-1-0000002",
        "for it was answered before that one was asked",
    ):
        assert said in row["ring"]


def test_time_reversed_by_a_transfer_of_somebody_else_is_found() -> None:
    """The transfer is in nobody's history; order passes through it all the same."""
    bent = reading_around_a_transfer((30, 40), (10, 20))
    del bent.calls[1]

    assert set(broken(bent.history(), bent.stored())) == {"one_order"}


def test_clocks_of_two_machines_are_not_compared() -> None:
    """What one machine's clock says of another's answers is nothing."""
    bent = reading_around_a_transfer((30, 40), (10, 20))
    bent.calls[0].clock = 1

    assert broken(bent.history(), bent.stored()) == {}


def test_an_unknown_outcome_is_decided_no_sooner_than_it_was_asked() -> None:
    """A call without an answer, and stored: what another was told before it was asked cannot stand behind it."""
    bank = memory_bank()
    bank.account(ANN, 100)
    telling = Telling(bank)
    lost = telling.ask(ledger.deposit(CLIENT, key("d"), ANN, 5))
    telling.ask(Enquiry(ANN))
    lost.told, lost.how = None, How.UNKNOWN
    assert broken(telling.history(CLIENT), telling.stored()) == {}

    lost.asked_us = lost.ended_us = 1_000

    assert set(broken(telling.history(CLIENT), telling.stored())) == {"never_older", "one_order"}


def test_rows_of_any_size_are_judged(day: Telling) -> None:
    """Figures at the ends of their ranges neither overflow nor pass."""
    replace(day.calls[6], touched=((99_999_999_999, 2**53, -(2**62)),))

    assert set(broken(day.history(), day.stored())) == {"decided_on"}


def test_an_empty_history_proves_nothing_and_breaks_nothing() -> None:
    """No calls, nothing stored."""
    telling = Telling(memory_bank())

    assert [(proof.checked, proof.broken) for proof in judge(telling.history(), telling.stored())] == [(0, 0)] * len(
        HISTORY_CHECKS
    )
    assert telling.stored().entries.dtype == np.int64
