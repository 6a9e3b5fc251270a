"""The values a file is made of: headers, columns of data records, trailers, and the events of reading them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kanjo.formats.zengin.digits import Rows


@dataclass(frozen=True, slots=True)
class Header:
    """The first record of a group (A.3). The date has no year: month and day only.

    `deposit_type` and `account` are None where the file left them out. `raw` is the 120 bytes in cp932 form.
    """

    kind: str
    code_division: str
    originator: str
    originator_name: str
    month: int
    day: int
    bank: int
    bank_name: str
    branch: int
    branch_name: str
    deposit_type: int | None
    account: int | None
    raw: bytes


@dataclass(frozen=True, slots=True)
class Trailer:
    """The totals of a group (A.5); the four last ones are zero but in the result of a direct debit (91)."""

    count: int
    amount_yen: int
    paid_count: int = 0
    paid_amount_yen: int = 0
    unpaid_count: int = 0
    unpaid_amount_yen: int = 0


@dataclass(frozen=True, slots=True)
class Warning_:  # noqa: N801  # Warning is Python's own
    """Something odd that does not refuse the file; `record` counts from 1 in the file."""

    check: str
    record: int
    message: str


@dataclass(frozen=True, slots=True)
class GroupStart:
    """A header was read."""

    header: Header


@dataclass(frozen=True, slots=True, eq=False)
class Records:
    """Data records as columns of one length, all checked.

    `number` counts from 1 within the group. `customer` is bytes 92-111 verbatim; `result` is byte 112 of 91, else 0.
    `raw` holds the records themselves (n x 120, cp932 form).
    """

    number: NDArray[np.int32]
    bank: NDArray[np.int32]
    branch: NDArray[np.int32]
    deposit_type: NDArray[np.int8]
    account: NDArray[np.int32]
    amount_yen: NDArray[np.int64]
    new_code: NDArray[np.int8]
    result: NDArray[np.int8]
    customer: NDArray[np.bytes_]
    raw: Rows

    def __len__(self) -> int:
        return len(self.number)


@dataclass(frozen=True, slots=True)
class GroupEnd:
    """A trailer was read and agrees with its records.

    `digest` is the SHA-256 of the group's records, header and trailer included, without framing, in cp932 form with
    code division 0: the same for every framing and encoding of the same content (R-4).
    `is_result` tells the result of a direct debit from the request: they differ by content only (A.6).
    """

    trailer: Trailer
    digest: str
    count: int
    amount_yen: int
    warnings: tuple[Warning_, ...]
    is_result: bool


@dataclass(frozen=True, slots=True)
class FileEnd:
    """The end record was read and nothing follows it."""

    record_count: int
    group_count: int


Event = GroupStart | Records | GroupEnd | FileEnd
