"""Outcomes that an operator gives an item: withdrawn by its originator (R-9), or failed (O-9)."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from itertools import takewhile

import msgspec

from kanjo.ledger.book import Wanted
from kanjo.ledger.decide import decide
from kanjo.ledger.post import CONFLICTS_MAX, ITEMS_MAX, hold_back
from kanjo.ledger.reason import Reason
from kanjo.ledger.store import NOT_POISON, Conflict, Store, Unit, is_due


class Verdict(Enum):
    """What became of an operator's wish."""

    GIVEN = auto()
    SETTLED = auto()
    """The item has an outcome already: that one stands."""
    HELD_UP = auto()
    """It stands behind another item, which is stuck."""


class _Step(msgspec.Struct):
    """One commit on the way there; `ahead` is how many items stand before the target in it."""

    verdict: Verdict | None = None
    ahead: int = 0
    got_on: bool = False


def give_verdict(
    store: Store,
    account: int,
    run: int,
    item: int,
    reason: Reason,
    *,
    items_max: int = ITEMS_MAX,
    also_do: Callable[[Unit], object] = lambda _: None,
) -> Verdict:
    """Give one unsettled item of the account that outcome, after all that is due before it (Before's order).

    The item need not be due itself. `also_do` is done in the unit that gives it. What is due behind it stays: an item
    there that cannot be settled must not keep this one from its verdict.
    """
    conflicts = 0
    while True:
        step = _Step()
        try:
            with store.unit() as unit:
                _try(unit, step, account, (run, item), reason, items_max)
                if step.verdict == Verdict.GIVEN:
                    also_do(unit)
        except Conflict:
            conflicts += 1
            if conflicts > CONFLICTS_MAX:
                raise
            continue
        except NOT_POISON:
            raise
        except Exception:
            if not step.ahead:
                raise
            if items_max > 1:
                items_max = max(1, items_max // 8)
            else:  # one of those ahead is bad: let it hold the account, as in any posting
                hold_back(store, account, ())
            continue
        if step.verdict is not None:
            return step.verdict
        if not step.got_on:
            items_max *= 2  # only items of its own run, not due, stand before it


def _try(unit: Unit, step: _Step, account: int, target: tuple[int, int], reason: Reason, items_max: int) -> None:
    day = unit.day()
    if day.date is None or target[0] not in day.runs:
        step.verdict = Verdict.SETTLED
        return
    book = unit.load(day, Wanted(accounts=[account], also=[target[0]], items_max=items_max))
    today = book.date
    due = [item for item in book.items if item[1:3] == target or is_due(book.runs[item[1]], today)]
    ahead = list(takewhile(lambda item: item[1:3] != target, due))
    found = len(ahead) < len(due)
    if not found and not book.unfinished:
        step.verdict = Verdict.SETTLED
        return
    if len(due) > len(ahead) + 1:
        book.unfinished.add(account)  # so that no hold expires ahead of what is left
    book.items = due[: len(ahead) + 1]
    book.stuck.discard(target)
    book.verdicts = {target: reason}
    step.ahead = len(ahead)
    changes, _ = decide(book, ())
    changes.by_before = False
    unit.save(changes)
    step.got_on = bool(changes.results.run)
    if target in zip(changes.results.run, changes.results.item, strict=True):
        unit.take_stuck(*target)
        step.verdict = Verdict.GIVEN
    elif found:
        step.verdict = Verdict.HELD_UP
