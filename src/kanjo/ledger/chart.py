"""The chart of accounts (科目): the bank's own side of every entry, four-digit codes.

General-ledger totals are summed from entries, never updated per posting: no code is a hot row (design 4).
"""

from __future__ import annotations

from kanjo.ledger.account import Word


class Code(Word):
    """Codes below 10,000 stand where a customer's account number could stand in a movement."""

    CASH = 1000
    """現金: deposits and withdrawals over the counter and at machines."""
    INTERBANK = 1500
    """他行為替: what is owed to or by other banks, settled outside."""
    INTER_BRANCH = 1600
    """本支店勘定 (D-3)."""
    HOLD_SETTLEMENT = 1700
    """オーソリ売上: captured holds on their way to those who are paid."""
    SUSPENSE = 2500
    """別段預金: money whose account cannot take it (R-7)."""
    RUN_SUSPENSE = 2510
    """センタカット仮受: between a run's funding and its items, by run; zero when the run is closed (R-2)."""
    TAX_WITHHELD = 2700
    """預り税金."""
    INTEREST_EXPENSE = 5100
    """支払利息."""
    OPENING = 9000
    """開始残高: the balances an imported account began with (C-6)."""
