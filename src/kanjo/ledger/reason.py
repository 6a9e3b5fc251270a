"""Why an instruction or an item was refused: one closed set, the same words at every door (docs/reference/codes.md)."""

from __future__ import annotations

from kanjo.ledger.account import Word


class Reason(Word):
    """ACCEPTED is the outcome without a reason; the numbers are stored and never change meaning."""

    ACCEPTED = 0
    ACCOUNT_UNKNOWN = 1
    ACCOUNT_CLOSED = 2
    ACCOUNT_FROZEN = 3
    DEBIT_STOPPED = 4
    MANDATE_STOPPED = 5
    NO_MANDATE = 6
    INSUFFICIENT_FUNDS = 7
    CANCELLED = 10
    WITHDRAWN = 11
    FAILED = 12
    ACCOUNT_EXISTS = 20
    ACCOUNT_NOT_EMPTY = 21
    ORIGINAL_UNKNOWN = 30
    NOT_REVERSIBLE = 31
    ALREADY_REVERSED = 32
    HOLD_UNKNOWN = 40
    HOLD_NOT_OPEN = 41
    HOLD_EXCEEDED = 42
    HOLD_EXPIRED = 43
    KEY_REUSED = 90
    DAY_NOT_OPEN = 91
    ITEM_STUCK = 92


NOT_STORED = frozenset({Reason.KEY_REUSED, Reason.DAY_NOT_OPEN, Reason.ITEM_STUCK})
"""Answers that are no decision of the ledger: an honest retry under the same key is decided afresh (C-2)."""
