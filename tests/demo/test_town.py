"""The town of the demonstration: its files are lawful, and the same every time."""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path

from kanjo.demo.town import EMPLOYER, UTILITY, Town
from kanjo.formats import zengin
from kanjo.ledger import show_account

DUE = date(2026, 8, 25)
TOWN = Town(500)


def records_of(path: Path) -> int:
    """How many data records our own strict reader takes from a file."""
    events = list(zengin.Reader(io.BytesIO(path.read_bytes()), name=path.name))
    return sum(event.count for event in events if isinstance(event, zengin.GroupEnd))


def test_files_are_lawful(tmp_path: Path) -> None:
    """Everyone gets a salary, six of ten are billed, and the strict reader finds no fault."""
    TOWN.write_payroll(tmp_path / "payroll.txt", DUE)
    TOWN.write_debits(tmp_path / "debit.txt", DUE)

    assert (records_of(tmp_path / "payroll.txt"), records_of(tmp_path / "debit.txt")) == (500, 300)


def test_same_seed_same_town(tmp_path: Path) -> None:
    """Two towns of one seed send the same bytes; another seed sends others."""
    for name, town in (("one", TOWN), ("two", Town(500)), ("three", Town(500, seed=26))):
        town.write_payroll(tmp_path / name, DUE)

    one, two, three = ((tmp_path / name).read_bytes() for name in ("one", "two", "three"))
    assert one == two != three


def test_accounts_are_all_different() -> None:
    """Nobody shares an account, and the two companies have theirs."""
    lines = list(TOWN.csv_lines())[1:]
    numbers = {line.split(",")[0] for line in lines}

    assert 502 == len(lines) == len(numbers)
    assert {show_account(EMPLOYER), show_account(UTILITY)} < numbers
