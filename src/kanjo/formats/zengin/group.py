"""What is summed up while the records of one group pass by, and what is said about it at its trailer."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kanjo.formats.zengin.columns import Columns
from kanjo.formats.zengin.digits import Rows
from kanjo.formats.zengin.records import Header, Trailer, Warning_

COUNT_MAX = 999_999
AMOUNT_MAX_YEN = 999_999_999_999

# Warnings listed for one group; the last one then says how many more there were.
_WARNINGS_MAX = 100


@dataclass(slots=True)
class Group:
    """Totals of the group being read. `are_totals_known` turns false when a fault hides a record or an amount."""

    header: Header | None
    are_totals_known: bool
    first_record: int
    count: int = 0
    amount_yen: int = 0
    paid_count: int = 0
    paid_amount_yen: int = 0
    fingerprints: list[NDArray[np.uint64]] = field(default_factory=list)
    is_ascending: bool = True
    last_customer: bytes = b""
    _hash: hashlib._Hash = field(default_factory=hashlib.sha256)

    def add(self, columns: Columns, start: int, stop: int) -> None:
        """Take in rows start..stop-1. The count of six digits bounds what is remembered: 8 MB for the largest group."""
        amount_yen = columns.amount_yen[start:stop]
        total_yen = int(amount_yen.sum())
        self.count += stop - start
        self.amount_yen += total_yen
        result = columns.result[start:stop]
        if result.any():
            is_paid = result == 0
            self.paid_count += int(np.count_nonzero(is_paid))
            self.paid_amount_yen += int(amount_yen[is_paid].sum())
        else:
            self.paid_count += stop - start
            self.paid_amount_yen += total_yen
        if self.count <= COUNT_MAX:
            # Copied: a slice would keep the columns of the whole frame alive.
            self.fingerprints.append(columns.fingerprint[start:stop].copy())
            self.is_ascending = self.is_ascending and columns.is_customer_ascending(start, stop, self.last_customer)
            self.last_customer = bytes(columns.customer[stop - 1])

    def hash(self, rows: Rows) -> None:
        """Take consecutive records into the digest."""
        self._hash.update(rows.data)

    def hash_header(self, raw: bytes) -> None:
        """Take the header into the digest; its code division tells the encoding, which is no part of the content."""
        self._hash.update(raw[:3] + b"0" + raw[4:])

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def is_result(self, trailer: Trailer) -> bool:
        """Request and result differ by content only: in a request all codes and the four last totals are zero (A.6)."""
        has_codes = self.paid_count != self.count
        return has_codes or bool(
            trailer.paid_count or trailer.paid_amount_yen or trailer.unpaid_count or trailer.unpaid_amount_yen
        )

    def total_faults(self, trailer: Trailer) -> Iterator[tuple[str, str, int, str, int]]:
        """Totals that do not fit their digits or differ from the records (ZC-5, ZC-6): check, field, found, ..."""
        for name, position, said, counted, most in (
            ("count", 2, trailer.count, self.count, COUNT_MAX),
            ("amount", 8, trailer.amount_yen, self.amount_yen, AMOUNT_MAX_YEN),
        ):
            if counted > most:
                yield "ZC-6", name, position, f"at most {most} (the records make {counted})", said
            elif said != counted:
                yield "ZC-5", name, position, str(counted), said

    def result_faults(self, trailer: Trailer) -> Iterator[tuple[str, str, int, str, int]]:
        """Totals of a result that differ from its codes: paid and unpaid make the whole (ZC-7)."""
        for name, position, said, counted in (
            ("paid_count", 20, trailer.paid_count, self.paid_count),
            ("paid_amount", 26, trailer.paid_amount_yen, self.paid_amount_yen),
            ("unpaid_count", 38, trailer.unpaid_count, self.count - self.paid_count),
            ("unpaid_amount", 44, trailer.unpaid_amount_yen, self.amount_yen - self.paid_amount_yen),
        ):
            if said != counted:
                yield "ZC-7", name, position, str(counted), said

    def duplicates(self) -> tuple[Warning_, ...]:
        """Payments that stand twice in the group (ZC-9)."""
        if self.is_ascending:
            return ()
        prints = np.concatenate(self.fingerprints)
        in_order = np.sort(prints)
        if not (in_order[1:] == in_order[:-1]).any():
            return ()
        order = np.argsort(prints, kind="stable")
        in_order = prints[order]
        is_new = np.concatenate(([True], in_order[1:] != in_order[:-1]))
        first_of = order[np.flatnonzero(is_new)][np.cumsum(is_new) - 1]
        repeats = np.flatnonzero(~is_new)
        pairs = sorted(zip(order[repeats].tolist(), first_of[repeats].tolist(), strict=True))
        warnings = [
            Warning_("ZC-9", self.first_record + again, f"same payment as record {self.first_record + first}")
            for again, first in pairs[:_WARNINGS_MAX]
        ]
        if len(pairs) > _WARNINGS_MAX:
            again = pairs[_WARNINGS_MAX][0]
            more = len(pairs) - _WARNINGS_MAX
            warnings.append(Warning_("ZC-9", self.first_record + again, f"{more} more payments stand twice"))
        return tuple(warnings)
