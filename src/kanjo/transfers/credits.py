"""Payroll (給与), bonus (賞与) and bulk transfer (総合振込): the originator pays at load, the payees are credited."""

from __future__ import annotations

from typing import ClassVar

from kanjo.centercut import Payment, RunRow, Totals
from kanjo.ledger import Code, ItemKind
from kanjo.transfers.loading import ZenginBusiness
from kanjo.transfers.outgoing import is_delivered


class CreditBusiness(ZenginBusiness):
    """Funded in the transaction that registers the run; what is not paid or forwarded returns at closing (R-3, K-1)."""

    item_kind = ItemKind.CREDIT
    is_funded = True
    asks_mandates = False
    keeps_all = False

    def close(self, run: RunRow, totals: Totals) -> list[Payment]:
        assert run.account is not None
        forwarded_yen = run.other_bank_amount_yen
        if run.cancelled and not is_delivered(run):
            forwarded_yen = 0
        returned_yen = run.funded_yen - totals.credited_yen - forwarded_yen
        assert returned_yen >= 0, "law 1: a run cannot pay more than its funding"
        return [
            Payment(int(Code.INTERBANK), forwarded_yen, "forwarded"),
            Payment(run.account, returned_yen, "returned"),
        ]


class Payroll(CreditBusiness):
    """給与振込, of private (11) and public (71) employers."""

    name: ClassVar[str] = "payroll"
    kinds = frozenset({"11", "71"})
    priority = 40


class Bonus(CreditBusiness):
    """賞与振込, of private (12) and public (72) employers."""

    name: ClassVar[str] = "bonus"
    kinds = frozenset({"12", "72"})
    priority = 40


class BulkTransfer(CreditBusiness):
    """総合振込 (21)."""

    name: ClassVar[str] = "bulk-transfer"
    kinds = frozenset({"21"})
    priority = 50
