"""Which business a file is for: the kind (種別コード) in its header decides."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from kanjo.errors import WrongUsage
from kanjo.formats.zengin import GroupStart, Reader
from kanjo.transfers.settings import zengin_profile

BUSINESS_OF_KIND = {
    "11": "payroll",
    "71": "payroll",
    "12": "bonus",
    "72": "bonus",
    "21": "bulk-transfer",
    "91": "direct-debit",
}
"""種別コード and the business that takes it (bank-batch A.2)."""

PEEK_RECORDS = 64


def business_of_file(path: Path) -> str:
    """The name of the business that takes the file; reads no more than its first records when these are right.

    Errors: Refused `bad-file` with all that is wrong in the file, WrongUsage `file-unreadable`, `bad-profile`.
    """
    with reading(path) as stream:
        for event in Reader(stream, name=path.name, profile=zengin_profile(), chunk_records=PEEK_RECORDS):
            if isinstance(event, GroupStart):
                return BUSINESS_OF_KIND[event.header.kind]
    raise AssertionError("a file without a header was not refused")


@contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """The file open for reading. Errors: WrongUsage `file-unreadable`."""
    try:
        stream = path.open("rb")
    except OSError as error:
        raise WrongUsage("file-unreadable", f"cannot read {path}: {error.strerror}") from error
    with stream:
        yield stream
