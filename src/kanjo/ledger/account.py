"""Accounts: numbers, states, and the part of an account that postings change.

An account number is branch (3), deposit type (1) and number (7) in one integer, shown as `001-1-1234567`.
"""

from __future__ import annotations

import re
from enum import IntEnum

import msgspec

_SHOWN = re.compile(r"([0-9]{3})-([1-9])-([0-9]{7})")
ACCOUNT_MIN = 10_000_000
"""The smallest number an account can have (branch 000, type 1); below it live the codes of the chart."""
ACCOUNT_MAX = 99_999_999_999


class Word(IntEnum):
    """An enumeration that is a small integer in the database and a kebab-case word everywhere else."""

    @property
    def word(self) -> str:
        return self.name.lower().replace("_", "-")

    @classmethod
    def of(cls, word: str) -> Word:
        """The member of that word; ValueError names the words there are."""
        try:
            return cls[word.upper().replace("-", "_")]
        except KeyError:
            raise ValueError(f"{word!r} is not one of {', '.join(cls.words())}") from None

    @classmethod
    def words(cls) -> tuple[str, ...]:
        return tuple(member.word for member in cls)


class Status(Word):
    """What an account may do: debit-stopped takes credits only, frozen neither (C-1)."""

    OPEN = 1
    DEBIT_STOPPED = 2
    FROZEN = 3
    CLOSED = 4


class Product(Word):
    """Deposit types (預金種目), numbered as Zengin numbers them (bank-batch A.4)."""

    ORDINARY = 1
    CURRENT = 2
    TAX_RESERVE = 3
    SAVINGS = 4
    NOTICE = 5
    TIME = 6
    INSTALMENT_TIME = 7
    INSTALMENT = 8
    OTHER = 9


class Account(msgspec.Struct):
    """The hot part of an account, a working copy that one posting changes. Amounts in yen."""

    account: int
    balance_yen: int
    held_yen: int
    floor_yen: int
    sequence: int
    status: int
    product: int

    @property
    def available_yen(self) -> int:
        """C-1: balance less what is held and less the floor, for items and transactions alike."""
        return self.balance_yen - self.held_yen - self.floor_yen


def parse_account(text: str) -> int:
    """`001-1-1234567` as an integer; ValueError for anything else."""
    match = _SHOWN.fullmatch(text)
    if not match:
        raise ValueError(f"an account number reads 001-1-1234567 (branch, type 1-9, number), found {text!r}")
    return account_number(int(match[1]), int(match[2]), int(match[3]))


def account_number(branch: int, deposit_type: int, number: int) -> int:
    """Branch (3 digits), deposit type (1), number (7) in one integer."""
    return (branch * 10 + deposit_type) * 10_000_000 + number


def show_account(account: int) -> str:
    """The integer as people write it."""
    return f"{account // 100_000_000:03d}-{account // 10_000_000 % 10}-{account % 10_000_000:07d}"


def is_account(place: int) -> bool:
    """Whether money lies in a customer's account there, and not under a code of the chart."""
    return place >= ACCOUNT_MIN
