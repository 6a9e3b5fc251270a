"""The user's files: looked at before the database is opened, and written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from kanjo.errors import SystemFailed, WrongUsage


def readable(file: Path) -> None:
    """Errors: WrongUsage `file-unreadable`, before anything was started for it."""
    try:
        with file.open("rb"):
            return
    except OSError as error:
        raise WrongUsage("file-unreadable", f"cannot read {file}: {error.strerror}", file=str(file)) from error


def lines_in(file: Path) -> int:
    """How many lines the file has, to show how far it is read; 0 for what is no ordinary file."""
    if not file.is_file():
        return 0
    count = 0
    with file.open("rb") as content:
        while block := content.read(1 << 20):
            count += block.count(b"\n")
    return count


def writable(file: Path) -> None:
    """See that a file can be made there, before the long work whose outcome it shall hold; its folder is made.

    Errors: SystemFailed `cannot-write`.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists():
            with file.open("ab"):
                return
        with tempfile.TemporaryFile(dir=file.parent):
            return
    except OSError as error:
        raise SystemFailed("cannot-write", f"cannot write {file}: {error.strerror}", file=str(file)) from error


@contextmanager
def written(file: Path) -> Iterator[IO[str]]:
    """A text file that takes its name only when it is complete, so that an interrupted command leaves the old one.

    A link keeps its place: what it leads to is written. Errors: SystemFailed `cannot-write`.
    """
    unfinished: Path | None = None
    try:
        place = file.resolve()
        if place.exists() and not place.is_file():  # a pipe or a device has no other place to be written
            with place.open("w", encoding="utf-8", newline="") as text:
                yield text
            return
        descriptor, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name[:100]}.")
        unfinished = Path(name)
        with open(descriptor, "w", encoding="utf-8", newline="") as text:  # noqa: PTH123 - a descriptor, not a path
            yield text
        unfinished.chmod(0o666 & ~_umask())
        unfinished.replace(place)
        unfinished = None
    except OSError as error:
        raise SystemFailed("cannot-write", f"cannot write {file}: {error.strerror}", file=str(file)) from error
    finally:
        if unfinished is not None:
            unfinished.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
