"""Zengin files: read and checked against plain Python, their memory, and loaded against a bare COPY."""

from __future__ import annotations

import time
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from psycopg import sql

from kanjo import centercut
from kanjo.bench.bank import COMPANY, FIRST_DAY, account_numbers
from kanjo.bench.bench import Bench
from kanjo.bench.cutting import require
from kanjo.bench.figure import Aim
from kanjo.bench.task import Memory, ReadZengin
from kanjo.calendar import JAPAN
from kanjo.centercut import REAL_CLOCK
from kanjo.formats import zengin
from kanjo.transfers import Payroll, bank_code

RECORDS = 1_000_000
RECORD_BYTES = 120
GROUP_RECORDS = 500_000
"""A group holds fewer than a million records (ZC-6), so there are two of them."""
MEMORY_LIMIT_MB = 200.0
PLAIN_FIELDS = tuple(
    slice(start, stop)
    for start, stop in (
        *((0, 1), (1, 5), (5, 20), (20, 23), (23, 38), (38, 42), (42, 43), (43, 50), (50, 80), (80, 90)),
        *((90, 91), (91, 101), (101, 111), (111, 120)),
    )
)
"""The fields of a data record of a payroll (bank-batch A.4), as a plain program slices them out of its text."""


def records(count: int) -> np.ndarray[Any, Any]:
    """Data records of a payroll for the first so many accounts, in an order of their own."""
    numbers = np.random.default_rng(count).permutation(account_numbers(count))
    return zengin.compose(
        "11",
        bank=bank_code(),
        branch=numbers // 100_000_000,
        deposit_type=1,
        account=numbers % 10_000_000,
        amount_yen=150_000 + numbers % 300_000,
        name=["ﾍﾞﾝﾁ ﾀﾛｳ"] * count,
        customer=np.arange(count),
    )


def write_payroll(file: Path, data: np.ndarray[Any, Any], due: date) -> None:
    """A file without separators."""
    header = zengin.compose_header(
        "11",
        originator="0000000001",
        originator_name="ﾍﾞﾝﾁ",
        month=due.month,
        day=due.day,
        bank=bank_code(),
        branch=COMPANY // 100_000_000,
        deposit_type=COMPANY // 10_000_000 % 10,
        account=COMPANY % 10_000_000,
    )
    with file.open("wb") as stream:
        writer = zengin.Writer(stream, framing="none")
        for first in range(0, len(data), GROUP_RECORDS):
            writer.header(header)
            writer.records(data[first : first + GROUP_RECORDS])
            writer.trailer()
        writer.end()


class Zengin(Bench):
    """Records read and checked; yardstick: the same bytes decoded and sliced record by record in plain Python."""

    name: ClassVar[str] = "zengin"
    unit: ClassVar[str] = "records/s"
    aim: ClassVar[Aim] = Aim(better="higher", must=5.0, aim=20.0)

    def prepare(self) -> None:
        self._count = self.ground.size(RECORDS)
        self._file = self.ground.folder / "payroll.txt"
        write_payroll(self._file, records(self._count), FIRST_DAY)

    def subject(self) -> float:
        count = 0
        began_s = time.monotonic()
        with self._file.open("rb") as stream:
            for event in zengin.Reader(stream):
                if isinstance(event, zengin.Records):
                    count += len(event)
        seconds = time.monotonic() - began_s
        require(count == self._count, f"{count} of {self._count} records were read")
        return count / seconds

    def yardstick(self) -> float:
        count = 0
        began_s = time.monotonic()
        with self._file.open("rb") as stream:
            while record := stream.read(RECORD_BYTES):
                text = record.decode("cp932")
                fields = [text[field] for field in PLAIN_FIELDS]
                count += fields[0] == "2"
        seconds = time.monotonic() - began_s
        require(count == self._count, f"{count} of {self._count} records were sliced")
        return count / seconds


class ZenginMemory(Bench):
    """Memory above idle of a process that reads the file, at its peak; yardstick: the 200 MB it may take."""

    name: ClassVar[str] = "zengin-memory"
    unit: ClassVar[str] = "MB"
    aim: ClassVar[Aim] = Aim(better="lower", must=1.0, aim=1.0)

    def prepare(self) -> None:
        self._file = self.ground.folder / "payroll.txt"
        write_payroll(self._file, records(self.ground.size(RECORDS)), FIRST_DAY)

    def subject(self) -> float:
        # a process of its own each time: a peak is never forgotten
        memory = self.ground.hire().ask(ReadZengin(str(self._file)), Memory)
        return (memory.peak_bytes - memory.idle_bytes) / 1e6

    def yardstick(self) -> float:
        return MEMORY_LIMIT_MB


_COPY_OUT = sql.SQL("""
COPY (
  SELECT cell, date, run + {added}, kind, item, account, amount, customer
  FROM ledger.item
  WHERE run = ANY ({runs})
  ORDER BY run, item
) TO STDOUT (FORMAT BINARY)
""")
_COPY_IN = """
COPY ledger.item (cell, date, run, kind, item, account, amount, customer) FROM STDIN (FORMAT BINARY)
"""


class Load(Bench):
    """A payroll's file to `ledger.item`, as `kanjo cut load` does it; yardstick: COPY of the same rows from memory."""

    name: ClassVar[str] = "load"
    unit: ClassVar[str] = "items/s"
    aim: ClassVar[Aim] = Aim(better="higher", must=0.5, aim=0.8)

    def prepare(self) -> None:
        self._records = records(self.ground.size(RECORDS))
        self._file = self.ground.folder / "payroll.txt"
        self._bank = self.ground.bank(100)
        self._due = FIRST_DAY
        self._write_next()
        self._first_runs = self._load()
        self._copies = 0

    def subject(self) -> float:
        self._write_next()
        self._bank.tidy()
        began_s = time.monotonic()
        self._load()
        return len(self._records) / (time.monotonic() - began_s)

    def yardstick(self) -> float:
        """The rows are those of the first load, under numbers of runs that do not exist."""
        connection = self._bank.store.connection
        self._copies += 1
        rows = BytesIO()
        statement = _COPY_OUT.format(added=sql.Literal(self._copies * 1_000_000), runs=sql.Literal(self._first_runs))
        with connection.cursor().copy(statement) as copied:
            for part in copied:
                rows.write(part)
        self._bank.tidy()
        began_s = time.monotonic()
        with connection.cursor() as cursor:
            with cursor.copy(_COPY_IN) as copy:
                copy.write(rows.getbuffer())
            seconds = time.monotonic() - began_s
            require(cursor.rowcount == len(self._records), f"COPY wrote {cursor.rowcount} rows")
        return len(self._records) / seconds

    def _write_next(self) -> None:
        """Another date each time, so that no file is the one before (R-4)."""
        self._due = JAPAN.next_business_day(self._due)
        write_payroll(self._file, self._records, self._due)

    def _load(self) -> list[int]:
        loaded = centercut.load(self._bank.store, Payroll(), self._file, now=REAL_CLOCK.now())
        items = sum(run.items for run in loaded.runs)
        require(items == len(self._records), f"{items} items were loaded")
        return [run.run for run in loaded.runs]
