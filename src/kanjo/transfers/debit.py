"""Direct debit (預金口座振替): payers are debited, the originator is credited with the total when the run closes."""

from __future__ import annotations

from typing import ClassVar

from kanjo.centercut import Payment, RunRow, Totals
from kanjo.ledger import ItemKind
from kanjo.transfers.loading import ZenginBusiness


class DirectDebit(ZenginBusiness):
    """口座振替 (91). An item is paid in full or not at all."""

    name: ClassVar[str] = "direct-debit"
    kinds = frozenset({"91"})
    priority = 60
    item_kind = ItemKind.DEBIT
    is_funded = False
    asks_mandates = True
    keeps_all = True

    def close(self, run: RunRow, totals: Totals) -> list[Payment]:
        assert run.account is not None
        return [Payment(run.account, totals.debited_yen, "collected")]
