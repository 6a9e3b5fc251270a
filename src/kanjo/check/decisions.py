"""All decisions that a history and the ledger know of, in columns: when each was made, on what, and what it left."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np

from kanjo.check.calls import Call
from kanjo.check.lines import ENQUIRY, DecidedOn
from kanjo.check.order import Ints
from kanjo.check.stored import StoredRequest
from kanjo.ledger import Enquiry


class Decisions:
    """A decision was made after it was asked (`low`) and before each answer that tells of it (`high`), clock by clock.

    Filled row by row, then read as arrays. No `low`: others may have asked it before, or nobody knows when.
    """

    def __init__(self) -> None:
        self.what: list[Call | StoredRequest] = []
        self._date: list[int] = []
        self._low: list[tuple[int, int, int]] = []
        self._high: list[tuple[int, int, int]] = []
        self._touch: list[tuple[int, int, int, int, int, bool]] = []

    def add(
        self,
        what: Call | StoredRequest,
        on: date | None,
        *,
        low: tuple[int, int] | None,
        highs: Sequence[tuple[int, int]],
        touched: Sequence[DecidedOn],
        made: Sequence[int],
        is_told: bool,
    ) -> None:
        """`low` and `highs` are (clock, microseconds); `made` is how many entries it made on each account touched."""
        place = len(self.what)
        self.what.append(what)
        self._date.append(0 if on is None else on.toordinal())
        if low is not None:
            self._low.append((place, *low))
        for high in highs:
            self._high.append((place, *high))
        for (account, sequence, balance_yen), entries in zip(touched, made, strict=True):
            self._touch.append((place, account, sequence, balance_yen, sequence + entries, is_told))

    def __len__(self) -> int:
        return len(self.what)

    def dates(self) -> Ints:
        """Ordinal of each decision's business date; 0 before the first."""
        return np.array(self._date, dtype=np.int64)

    def lows(self) -> Ints:
        """Rows of decision, clock, time."""
        return _rows(self._low, 3)

    def highs(self) -> Ints:
        """Rows of decision, clock, time."""
        return _rows(self._high, 3)

    def touches(self) -> Ints:
        """Rows of decision, account, sequence and balance decided on, sequence left, told to a caller or not."""
        return _rows(self._touch, 6)


def _rows(rows: Sequence[Sequence[int]], width: int) -> Ints:
    return np.array(rows, dtype=np.int64).reshape(len(rows), width)


def kind_word(call: Call) -> str:
    """What it asked, in a word."""
    return ENQUIRY if isinstance(call.asked, Enquiry) else call.asked.kind.word


def words(what: Call | StoredRequest) -> str:
    """The decision as a sentence calls it."""
    if isinstance(what, StoredRequest):
        return f"stored request {what.client} {what.key}"
    named = "" if isinstance(what.asked, Enquiry) else f" {what.asked.key}"
    return f"{kind_word(what)}{named} of {what.caller}"
