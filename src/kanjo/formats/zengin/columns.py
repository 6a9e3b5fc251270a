"""Data records that passed the checks, as columns of numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kanjo.formats.zengin.digits import Rows, eight_digits, four_digits, ten_digits, words
from kanjo.formats.zengin.records import Records

# Odd constants without structure: two payments that differ collide with a probability of about 2**-60.
_WEIGHTS = tuple(
    np.uint64(weight)
    for weight in (
        0x9E3779B97F4A7C15,
        0xC2B2AE3D27D4EB4F,
        0x165667B19E3779F9,
        0xD6E8FEB86659FD93,
        0xA0761D6478BD642F,
        0xE7037ED1A0B428DB,
    )
)


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """The columns of data records of one frame; `fingerprint` is equal for exact duplicates of a payment (ZC-9)."""

    bank: NDArray[np.int32]
    branch: NDArray[np.int32]
    deposit_type: NDArray[np.int8]
    account: NDArray[np.int32]
    amount_yen: NDArray[np.int64]
    new_code: NDArray[np.int8]
    result: NDArray[np.int8]
    customer: NDArray[np.bytes_]
    fingerprint: NDArray[np.uint64]
    customer_words: tuple[NDArray[np.uint64], ...]
    raw: Rows

    def is_customer_ascending(self, start: int, stop: int, after: bytes) -> bool:
        """True when each customer code of rows start..stop-1 is above the one before it, the first above `after`.

        Then no payment can stand twice, whatever else is in it: the usual case, and much cheaper than sorting.
        """
        if bytes(self.customer[start]) <= after:
            return False
        is_above: NDArray[np.bool_] | bool = False
        for word in reversed(self.customer_words):
            now, before = word[start + 1 : stop], word[start : stop - 1]
            is_above = (now > before) | ((now == before) & is_above)
        return bool(np.all(is_above)) or stop - start == 1

    def records(self, start: int, stop: int, first_number: int) -> Records:
        """Rows start..stop-1 as an event; the first of them is number `first_number` of its group."""
        return Records(
            number=np.arange(first_number, first_number + stop - start, dtype=np.int32),
            bank=self.bank[start:stop],
            branch=self.branch[start:stop],
            deposit_type=self.deposit_type[start:stop],
            account=self.account[start:stop],
            amount_yen=self.amount_yen[start:stop],
            new_code=self.new_code[start:stop],
            result=self.result[start:stop],
            customer=self.customer[start:stop],
            raw=self.raw[start:stop],
        )


def columns_of(rows: Rows, *, has_results: bool) -> Columns:
    """The columns of `rows`; they mean nothing where the bytes are not digits, so check before."""
    bank = four_digits(rows, 1)
    branch = four_digits(rows, 19, width=3)
    type_and_account = eight_digits(rows, 42)
    deposit_type = rows[:, 42].astype(np.int8) - np.int8(0x30)
    account = (type_and_account.view(np.int64) - deposit_type.astype(np.int64) * 10_000_000).astype(np.int32)
    amount_yen = ten_digits(rows, 80)
    customer = np.ascontiguousarray(rows[:, 91:111]).view("S20")[:, 0]
    # Big-endian words, so that their order is the order of the text; the second and the third overlap.
    customer_words = tuple(words(rows, start, "<u8").byteswap() for start in (91, 99, 103))
    return Columns(
        bank=bank,
        branch=branch,
        deposit_type=deposit_type,
        account=account,
        amount_yen=amount_yen,
        new_code=rows[:, 90].astype(np.int8) - np.int8(0x30),
        result=rows[:, 111].astype(np.int8) - np.int8(0x30) if has_results else np.zeros(len(rows), np.int8),
        customer=customer,
        fingerprint=_fingerprint(customer_words, bank, branch, type_and_account, amount_yen),
        customer_words=customer_words,
        raw=rows,
    )


def _fingerprint(
    customer_words: tuple[NDArray[np.uint64], ...],
    bank: NDArray[np.int32],
    branch: NDArray[np.int32],
    type_and_account: NDArray[np.uint64],
    amount_yen: NDArray[np.int64],
) -> NDArray[np.uint64]:
    """Payee, amount and bytes 92-111 mixed into one word; names and the new code do not make a payment another one."""
    mixed = type_and_account * _WEIGHTS[0]
    mixed += amount_yen.view(np.uint64) * _WEIGHTS[1]
    mixed += (bank * np.int32(1_000) + branch).astype(np.uint64) * _WEIGHTS[2]
    for word, weight in zip(customer_words, _WEIGHTS[3:], strict=True):
        mixed += word * weight
    return mixed
