"""The town: its accounts, and the files that its companies send to the bank. Drawn from a seed, the same every time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from kanjo.formats import zengin
from kanjo.ledger import account_number, show_account

BANK = 9999
OTHER_BANK = 9998
"""Codes that no bank bears (bank-batch A.9)."""
EMPLOYER = account_number(1, 2, 7_654_321)
UTILITY = account_number(2, 2, 7_000_001)
FIRST_NUMBER = 1_000_000
BRANCHES = 40
_SYLLABLES = [kana.encode("cp932") for kana in ("ｱ", "ｲ", "ｶ", "ｷ", "ｻ", "ｼ", "ﾀ", "ﾅ", "ﾏ", "ﾔ", "ﾗ", "ﾜ")]


class Town(msgspec.Struct, frozen=True):
    """How many people live there; their salaries and bills follow from the seed."""

    accounts: int
    seed: int = 25

    @property
    def debits(self) -> int:
        """Six people of ten pay their electricity by direct debit."""
        return self.accounts * 6 // 10

    def numbers(self) -> np.ndarray[Any, Any]:
        """The account number of everyone, int64."""
        index = np.arange(self.accounts, dtype=np.int64)
        return ((index % BRANCHES + 1) * 10 + 1) * 10_000_000 + FIRST_NUMBER + index

    def csv_lines(self) -> Iterator[str]:
        """The accounts as the bank imports them: people, one in 200 frozen or debit-stopped, and two companies."""
        draw = np.random.default_rng(self.seed)
        balances = draw.integers(0, 60_000, self.accounts)
        statuses = np.where(draw.random(self.accounts) < 0.005, draw.integers(1, 3, self.accounts), 0)
        words = ("open", "debit-stopped", "frozen")
        yield "account,product,balance,floor,status,name_kana\n"
        yield f"{show_account(EMPLOYER)},current,900000000000,0,open,ｶ)ﾏﾁﾉｺｳｼﾞﾖｳ\n"
        yield f"{show_account(UTILITY)},current,0,0,open,ﾏﾁﾉﾃﾞﾝｷ(ｶ\n"
        for number, balance, status in zip(self.numbers().tolist(), balances.tolist(), statuses.tolist(), strict=True):
            yield f"{show_account(number)},ordinary,{balance},0,{words[status]},ﾏﾁﾉ ﾋﾄ\n"

    def write_payroll(self, path: Path, due: date) -> None:
        """A salary for everyone; one in 100 banks elsewhere, one in 300 left no valid account."""
        draw = np.random.default_rng(self.seed + 1)
        numbers = self.numbers()
        bank = np.where(draw.random(self.accounts) < 0.01, OTHER_BANK, BANK)
        lost = draw.random(self.accounts) < 0.003
        records = zengin.compose(
            "11",
            bank=bank,
            branch=numbers // 100_000_000,
            deposit_type=1,
            account=np.where(lost, 9_000_000, 0) + numbers % 10_000_000 * ~lost,
            amount_yen=draw.integers(150_000, 450_000, self.accounts),
            name=self._names(draw, self.accounts),
            customer=np.arange(self.accounts),
        )
        header = _header("11", "0000000001", "ﾏﾁﾉｺｳｼﾞﾖｳ", due, EMPLOYER)
        _write(path, header, records[draw.permutation(len(records))])

    def write_debits(self, path: Path, due: date) -> None:
        """An electricity bill for six people of ten; a few are more than anyone earns."""
        draw = np.random.default_rng(self.seed + 2)
        numbers = self.numbers()[draw.permutation(self.accounts)[: self.debits]]
        records = zengin.compose(
            "91",
            bank=BANK,
            branch=numbers // 100_000_000,
            deposit_type=1,
            account=numbers % 10_000_000,
            amount_yen=np.where(draw.random(self.debits) < 0.01, 900_000, draw.integers(2_000, 30_000, self.debits)),
            name=self._names(draw, self.debits),
            customer=np.arange(self.debits),
        )
        _write(path, _header("91", "0000000002", "ﾏﾁﾉﾃﾞﾝｷ(ｶ", due, UTILITY), records)

    @staticmethod
    def _names(draw: np.random.Generator, count: int) -> np.ndarray[Any, Any]:
        syllables = np.array(_SYLLABLES, dtype="S1")
        drawn = syllables[draw.integers(0, len(syllables), (count, 6))]
        return np.ascontiguousarray(drawn).view("S6").reshape(count)


def _header(kind: str, originator: str, name: str, due: date, account: int) -> zengin.Header:
    return zengin.compose_header(
        kind,
        originator=originator,
        originator_name=name,
        month=due.month,
        day=due.day,
        bank=BANK,
        branch=account // 100_000_000,
        deposit_type=account // 10_000_000 % 10,
        account=account % 10_000_000,
    )


def _write(path: Path, header: zengin.Header, records: np.ndarray[Any, Any]) -> None:
    with path.open("wb") as stream:
        writer = zengin.Writer(stream)
        writer.header(header)
        writer.records(records)
        writer.trailer()
        writer.end()
