"""Checksums of files by pages, so that a bent file also tells where it is bent."""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path

import msgspec

PAGE_BYTES = 64 * 1024


class Sum(msgspec.Struct, frozen=True):
    """A file as it must be: its length, the SHA-256 of all of it, and the CRC-32 of each page (hex, 8 digits each)."""

    bytes: int
    sha256: str
    pages: str


def sum_of(path: Path, bytes_max: int | None = None) -> Sum:
    """Read a file, or its first `bytes_max` bytes."""
    whole = hashlib.sha256()
    pages: list[str] = []
    left = path.stat().st_size if bytes_max is None else bytes_max
    length = 0
    with path.open("rb") as file:
        while left and (page := file.read(min(PAGE_BYTES, left))):
            whole.update(page)
            pages.append(f"{zlib.crc32(page):08x}")
            length += len(page)
            left -= len(page)
    return Sum(length, whole.hexdigest(), "".join(pages))


def first_difference(expected: Sum, found: Sum) -> int | None:
    """The first byte of the first page that is not as it was; None when the file is whole."""
    if expected == found:
        return None
    count = min(len(expected.pages), len(found.pages)) // 8
    for page in range(count):
        if expected.pages[8 * page : 8 * page + 8] != found.pages[8 * page : 8 * page + 8]:
            return page * PAGE_BYTES
    return min(expected.bytes, found.bytes)
