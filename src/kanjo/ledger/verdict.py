"""Outcomes that an operator gives an item: withdrawn by its originator (R-9), or failed (O-9)."""

from __future__ import annotations

from kanjo.ledger.book import Wanted
from kanjo.ledger.decide import decide
from kanjo.ledger.post import ITEMS_MAX
from kanjo.ledger.reason import Reason
from kanjo.ledger.store import Store, is_due


def give_verdict(
    store: Store, account: int, run: int, item: int, reason: Reason, *, items_max: int = ITEMS_MAX
) -> bool:
    """Give one unsettled item of the account that outcome, after all that is due before it (Before's order).

    The item need not be due itself. False when it has an outcome already: that one stands.
    """
    target = (run, item)
    while True:
        with store.unit() as unit:
            day = unit.day()
            if day.date is None or run not in day.runs:
                return False
            unit.take_stuck(run, item)
            book = unit.load(day, Wanted(accounts=[account], also=[run], items_max=items_max))
            found = any(loaded[1:3] == target for loaded in book.items)
            if not found and not book.unfinished:
                return False
            book.items = [
                loaded for loaded in book.items if loaded[1:3] == target or is_due(book.runs[loaded[1]], book.date)
            ]
            book.verdicts = {target: reason}
            changes, _ = decide(book, ())
            unit.save(changes)
            if target in zip(changes.results.run, changes.results.item, strict=True):
                return True
            if found:
                return False  # it stands behind a stuck item
        items_max *= 1 if changes.results.run else 2
