"""Three days of a small bank with everything in them that a law speaks of, played through the rooms' own faces."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID, uuid5

import numpy as np

from kanjo import centercut, ledger
from kanjo.centercut import Business, Items, Loading, Payment, RunRow, Totals
from kanjo.db import Database
from kanjo.ledger import CaptureHold, Code, ItemKind, Phase, PlaceHold, ReleaseHold, Reverse

MONDAY, TUESDAY, WEDNESDAY, THURSDAY = (date(2026, 8, day) for day in (24, 25, 26, 27))
NOW = datetime(2026, 8, 24, 9, tzinfo=UTC)
CLIENT = "door-1"

_KEYS = UUID("5c0d3c4e-0000-4000-8000-00000000c4ec")


def key(name: str) -> UUID:
    """A key that is the same in every run of the tests."""
    return uuid5(_KEYS, name)


def number(index: int) -> int:
    return ledger.account_number(1, 1, index)


EMPLOYER, ANN, BOB, CAM, DAN, EVE, IDLE = (number(index) for index in range(1, 8))
LATE, NEW, NOBODY = number(20), number(21), number(99)
"""Imported on Tuesday, opened on Tuesday, never opened."""
GIA, HAL, IAN = number(30), number(31), number(32)
"""With one item each and nothing else: what a span stands for."""


class _FromJson(Business):
    """A source of `{"due": ..., "rows": [[account, yen], ...], "other_bank_yen": ...}`."""

    kind: ClassVar[int]
    is_funded: ClassVar[bool]

    def load(self, source: Path, loading: Loading) -> None:
        said = json.loads(source.read_text("utf-8"))
        run = loading.begin(due=date.fromisoformat(said["due"]), account=EMPLOYER)
        rows = said["rows"]
        run.add(
            Items(
                item=np.arange(1, len(rows) + 1, dtype=np.int32),
                account=np.array([account for account, _ in rows], dtype=np.int64),
                amount_yen=np.array([amount_yen for _, amount_yen in rows], dtype=np.int64),
                kind=self.kind,
            )
        )
        if said.get("other_bank_yen"):
            run.set_apart(1, said["other_bank_yen"])
        run.end(digest=said["digest"], fund_from=EMPLOYER if self.is_funded else None)


class Wages(_FromJson):
    name = "wages"
    priority = 40
    kind = int(ItemKind.CREDIT)
    is_funded = True

    def close(self, run: RunRow, totals: Totals) -> list[Payment]:
        forwarded_yen = 0 if run.cancelled else run.other_bank_amount_yen
        left_yen = run.funded_yen - totals.credited_yen - forwarded_yen
        return [
            Payment(int(Code.INTERBANK), forwarded_yen, "forwarded"),
            Payment(EMPLOYER, left_yen, "returned"),
        ]


class Collections(_FromJson):
    name = "collections"
    priority = 60
    kind = int(ItemKind.DEBIT)
    is_funded = False

    def close(self, run: RunRow, totals: Totals) -> list[Payment]:
        return [Payment(EMPLOYER, totals.debited_yen, "collected")]


BUSINESSES: dict[str, Business] = {"wages": Wages(), "collections": Collections()}


class Bank:
    """The rooms' faces in few words."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder
        self.connection = database.connect(autocommit=True)
        self.store = ledger.PostgresStore(self.connection)

    def imported(self, rows: list[tuple[int, int]]) -> None:
        lines = ["account,product,balance,floor,status,name_kana\n"]
        lines += [f"{ledger.show_account(account)},ordinary,{yen},0,open,\n" for account, yen in rows]
        ledger.import_accounts(self.store, lines, name="accounts.csv")

    def post(self, *asked: ledger.Asked) -> list[bool]:
        """Whether each was accepted."""
        answers = ledger.post(self.store, asked)
        return [answer.reason == ledger.Reason.ACCEPTED for answer in answers]  # type: ignore[union-attr]

    def load(self, business: str, due: date, rows: list[tuple[int, int]], **said: Any) -> int:
        phase = said.pop("phase", Phase.PRE_BUSINESS)
        digest = said.pop("digest", f"{business}-{due}-{rows}")
        source = self.folder / "source.json"
        source.write_text(json.dumps({"due": str(due), "rows": rows, "digest": digest, **said}), "utf-8")
        loaded = centercut.load(self.store, BUSINESSES[business], source, now=NOW, phase=phase)
        return loaded.runs[0].run

    def settle(self, *runs: int) -> None:
        """Start the runs and work until nothing is left of them."""
        centercut.start(self.store, runs)
        while centercut.step(self.store, runs, NOW, items_max=2) is not None:
            pass
        for run in runs:
            assert centercut.close_if_settled(self.store, run, NOW, find=BUSINESSES.__getitem__) == "completed"


def play(database: Database, folder: Path) -> dict[str, int]:
    """Play Monday to Wednesday; returns the runs by name."""
    bank = Bank(database, folder)
    try:
        return _play(bank)
    finally:
        bank.connection.close()


def _play(bank: Bank) -> dict[str, int]:
    bank.imported([(EMPLOYER, 1_000_000), (ANN, 1_000), (BOB, 500), (CAM, 2_000), (DAN, 0), (EVE, 3_000), (IDLE, 70)])
    bank.imported([(GIA, 10), (HAL, 20), (IAN, 30)])
    ledger.open_day(bank.database, MONDAY)
    runs = _monday(bank)
    ledger.open_day(bank.database, TUESDAY)
    _tuesday(bank, runs)
    ledger.open_day(bank.database, WEDNESDAY)
    _wednesday(bank, runs)
    return runs


def _monday(bank: Bank) -> dict[str, int]:
    assert bank.post(
        ledger.deposit(CLIENT, key("d1"), ANN, 300),
        ledger.withdrawal(CLIENT, key("w1"), BOB, 200),
        ledger.withdrawal(CLIENT, key("short"), BOB, 9_999),
        ledger.transfer(CLIENT, key("t1"), CAM, ANN, 150),
        ledger.deposit(CLIENT, key("wrong"), ANN, 77),
        Reverse(client=CLIENT, key=key("undo"), original=key("wrong")),
        Reverse(client=CLIENT, key=key("undo-again"), original=key("wrong")),
        ledger.transfer(CLIENT, key("t2"), EVE, CAM, 40),
        Reverse(client=CLIENT, key=key("undo-t2"), original=key("t2")),
        ledger.deposit(CLIENT, key("nobody"), NOBODY, 1),
    ) == [True, True, False, True, True, True, False, True, True, False]
    assert all(
        bank.post(
            PlaceHold(client=CLIENT, key=key("h-captured"), account=EVE, amount_yen=500),
            PlaceHold(client=CLIENT, key=key("h-released"), account=EVE, amount_yen=400, expires_on=WEDNESDAY),
            PlaceHold(client=CLIENT, key=key("h-expired"), account=CAM, amount_yen=300, expires_on=MONDAY),
            PlaceHold(client=CLIENT, key=key("h-open"), account=CAM, amount_yen=200),
        )
    )
    runs = {
        "wages": bank.load(
            "wages", TUESDAY, [(ANN, 100), (BOB, 200), (CAM, 300), (DAN, 400), (NOBODY, 50)], other_bank_yen=600
        ),
        "collections": bank.load(
            "collections", TUESDAY, [(ANN, 1_000), (BOB, 5_000), (CAM, 10), (NOBODY, 5), (ANN, 3), (EVE, 8)]
        ),
        "early": bank.load("wages", TUESDAY, [(ANN, 11), (EVE, 12)], phase=Phase.EARLY),
        "wrong": bank.load("wages", TUESDAY, [(ANN, 21), (DAN, 22)], digest="again", other_bank_yen=9),
        "carried": bank.load("collections", TUESDAY, [(DAN, 5), (EVE, 6), (NEW, 7)]),
        "coming": bank.load("wages", THURSDAY, [(ANN, 1), (BOB, 2)]),
        "bonus": bank.load("wages", TUESDAY, [(GIA, 5), (HAL, 6), (IAN, 7)]),
    }
    centercut.withdraw(bank.store, runs["coming"], 2)
    return runs


def _tuesday(bank: Bank, runs: dict[str, int]) -> None:
    # Before settles what is due on the accounts of these, the last of them refused
    assert bank.post(
        ledger.withdrawal(CLIENT, key("w2"), ANN, 100),
        ledger.transfer(CLIENT, key("t3"), ANN, CAM, 20),
        ledger.withdrawal(CLIENT, key("short-2"), BOB, 9_999),
    ) == [True, True, False]
    assert ledger.enquire(bank.store, DAN).balance_yen == 417
    centercut.cancel(bank.store, runs["wrong"], NOW, find=BUSINESSES.__getitem__)
    runs["again"] = bank.load("wages", WEDNESDAY, [(ANN, 21), (DAN, 22)], digest="again")
    assert all(
        bank.post(
            CaptureHold(client=CLIENT, key=key("capture"), hold=key("h-captured"), amount_yen=450),
            ReleaseHold(client=CLIENT, key=key("release"), hold=key("h-released")),
            ledger.OpenAccount(client=CLIENT, key=key("open"), account=NEW, product=1),
            ledger.ChangeAccount(client=CLIENT, key=key("floor"), account=EVE, floor_yen=-100),
        )
    )
    bank.imported([(LATE, 250)])
    bank.settle(runs["wages"], runs["collections"], runs["early"], runs["bonus"])


def _wednesday(bank: Bank, runs: dict[str, int]) -> None:
    assert all(
        bank.post(
            ledger.deposit(CLIENT, key("d2"), CAM, 5),
            ledger.deposit(CLIENT, key("d3"), NEW, 60),
            ledger.transfer(CLIENT, key("t4"), LATE, NEW, 30),
        )
    )
    bank.settle(runs["carried"])
    runs["half"] = bank.load("wages", WEDNESDAY, [(ANN, 31), (BOB, 32), (CAM, 33)], phase=Phase.IN_BUSINESS)
    centercut.start(bank.store, [runs["half"]])
    assert centercut.step(bank.store, [runs["half"]], NOW, items_max=2) is not None
