"""A Zengin file becomes runs: one per group, all in one transaction, without a loop over records (R-5, R-6)."""

from __future__ import annotations

from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from kanjo.centercut import Business, Items, Loading, RunLoading
from kanjo.errors import Refused
from kanjo.formats.zengin import GroupEnd, GroupStart, Header, Reader, Records
from kanjo.ledger import ItemKind, PostgresUnit, account_number
from kanjo.transfers.customers import normal_customers
from kanjo.transfers.header import due_date, header_account
from kanjo.transfers.kept import NO_ITEM, Kept, keep_where
from kanjo.transfers.kinds import reading
from kanjo.transfers.settings import bank_code, zengin_profile


class ZenginBusiness(Business):
    """What the four businesses share. `kinds` are the 種別コード each takes (A.2)."""

    kinds: ClassVar[frozenset[str]]
    item_kind: ClassVar[ItemKind]
    is_funded: ClassVar[bool]
    """Whether the header's account pays for the run when it is loaded."""
    asks_mandates: ClassVar[bool]
    keeps_all: ClassVar[bool]
    """Whether all records are kept, to be written back as a result, or only those for other banks."""

    def load(self, source: Path, loading: Loading) -> None:
        """Register a run for each group of the file.

        Errors (Refused, the whole file): `bad-file`, `business-mismatch`, `not-a-request`, `duplicate-file`,
        `zero-amount`, and those of `due_date` and `header_account`.
        """
        own_bank = bank_code()
        digests: set[str] = set()
        group: GroupLoading | None = None
        with reading(source) as stream:
            for event in Reader(stream, name=source.name, profile=zengin_profile()):
                match event:
                    case GroupStart():
                        group = GroupLoading(self, event.header, loading, own_bank)
                    case Records():
                        assert group is not None
                        group.add(event)
                    case GroupEnd():
                        assert group is not None
                        digest = group.end(event, loading)
                        if digest in digests:
                            raise Refused(
                                "duplicate-file", f"{source.name} holds the same group twice; nothing was loaded"
                            )
                        digests.add(digest)


class GroupLoading:
    """One group of the file on its way into one run."""

    def __init__(self, business: ZenginBusiness, header: Header, loading: Loading, own_bank: int) -> None:
        if header.kind not in business.kinds:
            raise Refused(
                "business-mismatch",
                f"the file is of kind {header.kind}, which is not for {business.name} "
                f"({', '.join(sorted(business.kinds))})",
                kind=header.kind,
                business=business.name,
            )
        assert isinstance(loading.unit, PostgresUnit)
        self._business = business
        self._own_bank = own_bank
        self.due: date = due_date(header, loading)
        self.account = header_account(header, loading.unit, own_bank)
        self.run: RunLoading = loading.begin(
            due=self.due,
            account=self.account,
            originator=header.originator if business.asks_mandates else None,
            reference=header.originator,
            detail={"kind": header.kind},
        )
        self._kept = Kept(loading.unit)
        self._kept.add_header(self.run.run, header.raw)

    def add(self, records: Records) -> None:
        """Records of the group; the item number is the record's number in its group."""
        if not records.amount_yen.all():  # ZC-8 is the strict profile's; no ledger posts nothing
            number = int(records.number[records.amount_yen == 0][0])
            raise Refused(
                "zero-amount",
                f"data record {number} of its group has an amount of zero; nothing was loaded",
                item=number,
            )
        is_own = records.bank == self._own_bank
        others = len(records) - int(np.count_nonzero(is_own))
        if others:
            self.run.set_apart(others, int(records.amount_yen[~is_own].sum()))
        branch, deposit_type = records.branch.astype(np.int64), records.deposit_type.astype(np.int64)
        account = np.where(is_own, account_numbers(branch, deposit_type, records.account.astype(np.int64)), NO_ITEM)
        keep_where(self._kept, self.run.run, records, account, None if self._business.keeps_all else ~is_own)
        self.run.add(
            Items(
                item=records.number[is_own],
                account=account[is_own],
                amount_yen=records.amount_yen[is_own],
                kind=int(self._business.item_kind),
                customer=normal_customers(records.customer[is_own]) if self._business.asks_mandates else None,
            )
        )

    def end(self, end: GroupEnd, loading: Loading) -> str:
        """The trailer agrees; returns the run's identity (R-4)."""
        if end.is_result:
            raise Refused(
                "not-a-request",
                "the file is the result of a direct debit (codes or result totals are filled), not a request for one",
            )
        for warning in end.warnings:
            loading.warn(f"record {warning.record}: {warning.message} ({warning.check})")
        digest = sha256(f"{end.digest} {self.due.isoformat()}".encode()).hexdigest()
        self.run.end(digest=digest, fund_from=self.account if self._business.is_funded else None)
        return digest


def account_numbers(
    branch: NDArray[np.int64], deposit_type: NDArray[np.int64], number: NDArray[np.int64]
) -> NDArray[np.int64]:
    """`account_number` for columns."""
    return (branch * 10 + deposit_type) * 10_000_000 + number


assert account_number(1, 2, 3) == account_numbers(np.array([1]), np.array([2]), np.array([3]))[0]
