"""The way of one posting: load under locks, decide, save, commit; in bounded steps, and without letting one bad
instruction or item harm its neighbours (design 4, rules O-8 to O-10).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kanjo.ledger.book import Changes, Item, Key, Wanted
from kanjo.ledger.decide import decide
from kanjo.ledger.instruction import (
    Asked,
    CaptureHold,
    ChangeAccount,
    Enquiry,
    Keyed,
    Post,
    ReleaseHold,
    Reverse,
)
from kanjo.ledger.outcome import Answer, NotDecided, Outcome, Snapshot
from kanjo.ledger.reason import Reason
from kanjo.ledger.store import NOT_POISON, Conflict, Store, Unit
from kanjo.ledger.stretch import StretchBook, decide_stretch

ITEMS_MAX = 5_000
"""A commit settles at most so many items of an account, or of a slice (O-8)."""
CONFLICTS_MAX = 100
"""So often a posting that met another one is tried again before it is called a failure."""


class Posted(NamedTuple):
    """What one step came to: an answer for each instruction, None where more is due than it settled, and where that is:
    the accounts to settle before those are asked again.
    """

    answers: list[Answer | None]
    unfinished: set[int]


def post(store: Store, instructions: Sequence[Asked], *, items_max: int = ITEMS_MAX) -> list[Answer]:
    """Decide the instructions in order, each after all that is due on its accounts; answers in the same places.

    When this returns, every Outcome is committed. Raises OutcomeUnknown when the connection was lost meanwhile:
    repeat the keys. An instruction on which the program fails alone gets NotDecided (O-9).
    """
    answers: list[Answer | None] = [None] * len(instructions)
    waiting = list(range(len(instructions)))
    while waiting:
        found = post_once(store, [instructions[index] for index in waiting], items_max=items_max)
        for index, answer in zip(waiting, found.answers, strict=True):
            answers[index] = answer
        waiting = [index for index in waiting if answers[index] is None]
    return [answer for answer in answers if answer is not None]


def post_once(store: Store, instructions: Sequence[Asked], *, items_max: int = ITEMS_MAX) -> Posted:
    """Like `post`, in one step, for a caller who has others to answer meanwhile (`Batcher`).

    One commit, or, when an unexpected error stops it, halves of it until the guilty stands alone (O-9).
    """
    try:
        return _post_once(store, instructions, items_max)
    except NOT_POISON:
        raise
    except Exception:
        if len(instructions) > 1:
            middle = len(instructions) // 2
            halves = (instructions[:middle], instructions[middle:])
            first, second = (post_once(store, half, items_max=items_max) for half in halves)
            return Posted(first.answers + second.answers, first.unfinished | second.unfinished)
        return _post_alone(store, instructions[0], items_max)


def post_in(unit: Unit, instructions: Sequence[Asked], *, items_max: int = ITEMS_MAX) -> list[Answer | None]:
    """Decide in a unit of the caller's, which commits or undoes it together with work of its own.

    None: more is due on its accounts than one commit may settle; settle first, in commits of their own.
    """
    changes, posted = _decide_in(unit, instructions, items_max)
    if changes is not None:
        unit.save(changes)
    return posted.answers


def enquire(store: Store, account: int) -> Snapshot:
    """The account as it stands after all that is due (C-5)."""
    [answer] = post(store, [Enquiry(account)])
    if not isinstance(answer, Snapshot):
        raise RuntimeError(f"enquiry not answered: {answer}")
    return answer


def settle_stretch(unit: Unit, book: StretchBook, items_max: int) -> tuple[int, int | None]:
    """Settle a worker's stretch; returns how many items, and the first account of the slice that has more due."""
    changes = decide_stretch(book, items_max)
    unit.save_stretch(changes)
    return changes.settled, changes.next_account


def settle(store: Store, accounts: Sequence[int], also: Sequence[int] = (), *, items_max: int = ITEMS_MAX) -> int:
    """Settle accounts to the end in commits of their own, one bad item alone held back (O-9); returns the count.

    An account that fails although nothing is pending on it is passed over: whoever comes with an instruction is told.
    """
    total = 0
    finished = False
    while not finished:
        settled, finished = settle_some(store, accounts, also, items_max=items_max)
        total += settled
    return total


def settle_some(
    store: Store, accounts: Sequence[int], also: Sequence[int] = (), *, items_max: int, by_before: bool = False
) -> tuple[int, bool]:
    """One step of that: one commit, or, when an unexpected error stops it, one for each half of the accounts, and for a
    lone account a smaller one, until the guilty item stands alone. Returns the count, and whether nothing is left.

    The step behind it is as large as ever: what failed may have been somebody's passing fault.
    """
    try:
        return _settle_once(store, accounts, also, items_max, by_before)
    except NOT_POISON:
        raise
    except Exception:
        if len(accounts) > 1:
            middle = len(accounts) // 2
            halves = (accounts[:middle], accounts[middle:])
            steps = [settle_some(store, half, also, items_max=items_max, by_before=by_before) for half in halves]
            return sum(settled for settled, _ in steps), all(finished for _, finished in steps)
        if items_max > 1:
            return settle_some(store, accounts, also, items_max=max(1, items_max // 8), by_before=by_before)
        return 0, not accounts or not hold_back(store, accounts[0], also)


def hold_back(store: Store, account: int, also: Sequence[int]) -> bool:
    """Mark the first item pending on the account as stuck when it fails alone once more: then it is the guilty one.

    False when nothing is pending there. The second try is for an item that another unit or an operator dealt with
    meanwhile: the item behind it must not bear its blame.
    """
    with store.unit() as unit:
        suspect = _first_pending(unit, account, also)
    if suspect is None:
        return False
    try:
        _settle_once(store, [account], also, 1, by_before=False)
    except NOT_POISON:
        raise
    except Exception as error:
        with store.unit() as unit:
            if _first_pending(unit, account, also) == suspect:
                unit.mark_stuck(suspect, f"{type(error).__name__}: {error}")
    return True


def _first_pending(unit: Unit, account: int, also: Sequence[int]) -> Item | None:
    day = unit.day()
    if day.date is None:
        return None
    book = unit.load(day, Wanted(accounts=[account], also=list(also), items_max=1))
    return next((Item(*item) for item in book.items if (item[1], item[2]) not in book.stuck), None)


def _settle_once(
    store: Store, accounts: Sequence[int], also: Sequence[int], items_max: int, by_before: bool
) -> tuple[int, bool]:
    for _ in range(CONFLICTS_MAX):
        try:
            with store.unit() as unit:
                day = unit.day()
                if day.date is None:
                    return 0, True
                wanted = Wanted(accounts=list(accounts), also=list(also), items_max=items_max, together=True)
                book = unit.load(day, wanted)
                changes, _ = decide(book, ())
                changes.by_before = by_before
                unit.finish(changes)
                return len(changes.results.run), not book.unfinished
        except Conflict as error:
            conflict = error
    raise conflict


def _post_alone(store: Store, asked: Asked, items_max: int) -> Posted:
    """Settle its accounts without it, so that a bad item among them is held back; if it fails then, it is guilty.

    What takes more than a step waits for the next one, as much that is due always does.
    """
    with store.unit() as unit:
        unit.day()
        accounts = _accounts(unit, [asked], _reversals([asked]), _holds([asked]))
    for account in accounts:
        _, finished = settle_some(store, [account], items_max=items_max, by_before=True)
        if not finished:
            return Posted([None], {account})
    try:
        return _post_once(store, [asked], items_max, keys_are_new=False)
    except NOT_POISON:
        raise
    except Exception as error:
        return Posted([NotDecided(message=f"{type(error).__name__}: {error}")], set())


def _post_once(store: Store, instructions: Sequence[Asked], items_max: int, *, keys_are_new: bool = True) -> Posted:
    """One commit. Keys are taken for new at first, since nearly all are: a known one makes the INSERT fail, and then
    all are looked up (C-2). What is not stored would not fail, so such an answer is given after a look only.
    """
    for _ in range(CONFLICTS_MAX):
        try:
            with store.unit() as unit:
                changes, posted = _decide_in(unit, instructions, items_max, keys_are_new=keys_are_new)
                if keys_are_new and any(isinstance(one, Outcome) and not one.is_stored for one in posted.answers):
                    raise Conflict("perhaps decided earlier")
                if changes is not None:
                    unit.finish(changes)
                return posted
        except Conflict as error:
            conflict, keys_are_new = error, False
    raise conflict


def _decide_in(
    unit: Unit, instructions: Sequence[Asked], items_max: int, *, keys_are_new: bool = False
) -> tuple[Changes | None, Posted]:
    """Load and decide; what must be saved is left to the caller."""
    keyed = [] if keys_are_new else [asked for asked in instructions if not isinstance(asked, Enquiry)]
    others = [asked for asked in instructions if not isinstance(asked, Post)]
    reversals, holds = _reversals(others), _holds(others)
    accounts = _accounts(unit, instructions, reversals, holds)
    wanted = Wanted(
        accounts=accounts,
        keys=[(asked.client, asked.key) for asked in keyed],
        holds=holds,
        reversals=reversals,
        closing=[asked.account for asked in others if isinstance(asked, ChangeAccount)],
        items_max=items_max,
    )
    book = unit.load_today(wanted)
    if book is None:
        return None, Posted([_not_open(asked) for asked in instructions], set())
    behind = {touch.account for key in wanted.reversals if key in book.requests for touch in book.requests[key].touched}
    behind.update(hold.account for hold in book.holds.values())
    if not behind.issubset(accounts):
        raise Conflict("what an instruction refers to was committed between two reads")
    changes, answers = decide(book, instructions)
    return changes, Posted(answers, book.unfinished)


def _accounts(unit: Unit, instructions: Sequence[Asked], reversals: Sequence[Key], holds: Sequence[Key]) -> list[int]:
    """Every account the instructions touch, themselves or by what they refer to, ascending."""
    accounts = {account for asked in instructions for account in asked.accounts()}
    if reversals or holds:
        accounts |= unit.accounts_behind(reversals, holds)
    return sorted(accounts)


def _reversals(instructions: Sequence[Asked]) -> list[Key]:
    return [(asked.client, asked.original) for asked in instructions if isinstance(asked, Reverse)]


def _holds(instructions: Sequence[Asked]) -> list[Key]:
    return [(asked.client, asked.hold) for asked in instructions if isinstance(asked, CaptureHold | ReleaseHold)]


def _not_open(asked: Asked) -> Answer:
    if isinstance(asked, Enquiry):
        return Snapshot(account=asked.account, business_date=None, reason=Reason.DAY_NOT_OPEN)
    return not_stored(asked, Reason.DAY_NOT_OPEN)


def not_stored(asked: Keyed, reason: Reason) -> Outcome:
    """An answer that is no decision: the key stays free (C-2)."""
    return Outcome(
        client=asked.client,
        key=asked.key,
        fingerprint=asked.fingerprint(),
        kind=asked.kind,
        reason=reason,
        business_date=None,
    )
