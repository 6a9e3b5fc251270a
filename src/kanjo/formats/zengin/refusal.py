"""What is wrong with a file, and where: no text of a name ever stands in it, only the offending byte."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from kanjo.errors import Refused


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault: `record` counts from 1 in the file, `position` is the byte within the record, from 1."""

    file: str
    record: int
    position: int
    field: str
    found: str
    expected: str
    check: str

    def __str__(self) -> str:
        return (
            f"{self.file or 'file'}: record {self.record}, byte {self.position}, {self.field}: "
            f"found {self.found}, expected {self.expected}"
        )


class BadFile(Refused):
    """The file is refused whole (ZC-14). `truncated`: there are more errors than the limit allowed to list."""

    def __init__(self, errors: tuple[FieldError, ...], truncated: bool) -> None:
        assert errors, "a file without errors is not bad"
        more = len(errors) - 1
        if truncated:
            rest = f" (and at least {more + 1} more errors)"
        else:
            rest = f" (and {more} more error{'s' if more > 1 else ''})" if more else ""
        super().__init__(
            "bad-file", f"{errors[0]}{rest}", errors=[asdict(error) for error in errors], truncated=truncated
        )
        self.errors = errors
        self.truncated = truncated


def show_byte(byte: int, character: str = "") -> str:
    """One byte as hex: safe for names, whose text must never be shown. `character` only for fields of other content."""
    return (
        f'byte 0x{byte:02X} ("{character}")'
        if character.isprintable() and character.isascii() and character
        else (f"byte 0x{byte:02X}")
    )


def show_digits(text: bytes) -> str:
    """The content of a field that is all digits. Other content is never shown whole.

    In a record that slipped by a byte a name stands where a number should be.
    """
    assert text.isdigit(), "only digits are shown"
    return f'"{text.decode("ascii")}"'
