"""CSV files that are taken whole or not at all: rows with their line numbers, and everything that is wrong at once.

What was found is shown only when it cannot be a person's name, even in a row whose columns have slipped.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from kanjo.errors import Refused

_HARMLESS = re.compile(r"[0-9a-z_.+-]{1,30}", re.ASCII)
"""Numbers and the lower-case words of our own enumerations; names are written in kana and capitals."""


class CsvError(msgspec.Struct, frozen=True):
    """One fault; `line` counts from 1 with the header, `column` is its name in the header."""

    file: str
    line: int
    column: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.file}: line {self.line}, {self.column}: found {self.found}, expected {self.expected}"


class CsvErrors:
    """The faults of one file: the first `errors_max` are kept, the others counted."""

    def __init__(self, file: str, errors_max: int) -> None:
        assert errors_max > 0
        self.file = file
        self.errors_max = errors_max
        self.count = 0
        self.errors: list[CsvError] = []

    def add(self, line: int, column: str, found: str, expected: str) -> None:
        self.count += 1
        if len(self.errors) < self.errors_max:
            self.errors.append(CsvError(self.file, line, column, found, expected))

    def refuse(self) -> None:
        """Raise Refused `bad-file` when anything was wrong."""
        if not self.count:
            return
        more = self.count - 1
        rest = f" (and {more} more error{'s' if more > 1 else ''})" if more else ""
        raise Refused(
            "bad-file",
            f"{self.errors[0]}{rest}; nothing was taken from the file",
            errors=[msgspec.structs.asdict(error) for error in self.errors],
            errors_count=self.count,
            truncated=self.count > len(self.errors),
        )


def shown(text: str) -> str:
    """The value of a field as an error may show it."""
    if not text:
        return "nothing"
    return f'"{text}"' if _HARMLESS.fullmatch(text) else f"{len(text)} characters of another kind"


def read_rows(
    lines: Iterable[str], errors: CsvErrors, columns: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[tuple[int, list[str]]]:
    """The rows below the header with the number of their (last) line; rows of another width are faults.

    `lines` is the decoded text, from a file opened with `newline=""`; a byte-order mark in front is ignored. The
    header names `columns`, then some or none of `optional`, in this order. Without it no row is read.
    """
    reader = csv.reader(_without_mark(lines), strict=True)
    line = 0
    try:
        header = next(reader, [])
        line = reader.line_num
        wide = len(header)
        if header != [*columns, *optional][:wide] or wide < len(columns):
            errors.add(1, "header", "another first line" if header else "nothing", ",".join([*columns, *optional]))
            return
        for row in reader:
            line = reader.line_num
            if len(row) == wide:
                yield line, row
            elif row:
                errors.add(line, "row", f"{len(row)} columns", f"{wide} columns")
    except csv.Error as error:
        errors.add(
            reader.line_num, "row", f"bad quoting ({error})", "comma-separated values, quoted with double quotes"
        )
    except UnicodeDecodeError as error:
        errors.add(line + 1, "row", f"byte 0x{error.object[error.start]:02X} in or soon after this line", "UTF-8 text")


def _without_mark(lines: Iterable[str]) -> Iterator[str]:
    first = True
    for text in lines:
        yield text.removeprefix("\ufeff") if first else text
        first = False
