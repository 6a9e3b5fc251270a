"""From bytes that may not stand to errors a reader understands.

What is shown of a file is decided here and nowhere else: numbers as they are, of anything else one byte, so that the
name of an account holder never leaves the file (R-6).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kanjo.formats.zengin.digits import Rows
from kanjo.formats.zengin.encoding import CP932_TO_EBCDIC, Encoding
from kanjo.formats.zengin.layout import RECORD_BYTES, TEXTS, Class, Field, Layout
from kanjo.formats.zengin.profile import Profile
from kanjo.formats.zengin.refusal import FieldError, show_byte, show_digits

COUNTED_MAX = 2 * RECORD_BYTES
"""Of a longer line it is not known where it ends: only its beginning is in memory, which stays small."""


class Description:
    """Makes the errors of one file; `encoding` is that of the file, so that its own bytes are shown."""

    def __init__(self, file: str, profile: Profile) -> None:
        self._file = file
        self._profile = profile
        self.encoding: Encoding = "cp932"

    def error(self, check: str, record: int, position: int, field: str, found: str, expected: str) -> FieldError:
        """One error; `record` and `position` count from 1."""
        return FieldError(self._file, record, position, field, found, expected, check)

    def record_errors(
        self, layout: Layout, row: NDArray[np.uint8], faults: NDArray[np.bool_], record: int, length: int
    ) -> list[FieldError]:
        """The errors of one record, one for each field; a wrong length (ZC-1) stands for all of them."""
        if length > RECORD_BYTES or (length < RECORD_BYTES and faults[length:].any()):
            return [self._length_error(record, length)]
        errors = []
        for field in layout:
            part = faults[field.start : field.stop]
            if part.any():
                errors.append(self._field_error(field, row, field.position + int(part.argmax()), record))
        return errors

    def _length_error(self, record: int, length: int) -> FieldError:
        position = min(length, RECORD_BYTES) + 1
        found = f"{length} bytes" if length <= COUNTED_MAX else f"more than {COUNTED_MAX} bytes"
        return self.error("ZC-1", record, position, "record_length", found, f"{RECORD_BYTES} bytes")

    def _field_error(self, field: Field, row: NDArray[np.uint8], position: int, record: int) -> FieldError:
        byte = int(row[position - 1])
        text = row[field.start : field.stop].tobytes()
        byte_in_file = byte if self.encoding == "cp932" else CP932_TO_EBCDIC[byte]
        found = show_byte(byte_in_file) if field.holds in TEXTS else show_byte(byte_in_file, chr(byte))
        match field.holds:
            case Class.CHOICE:
                # One byte cannot be a name, so the byte itself may be shown.
                choices = " ".join(f'"{chr(choice)}"' for choice in self._profile.allowed(field))
                found = show_digits(text) if text.isdigit() else found
                return self.error("A.4", record, position, field.name, found, f"one of {choices}")
            case Class.DIGITS if field.name == "amount" and text.isdigit():
                return self.error("ZC-8", record, position, field.name, show_digits(text), "an amount above zero")
            case Class.DIGITS:
                return self.error("ZC-3", record, position, field.name, found, f"{field.length} digits")
            case Class.DIGITS_OR_BLANK:
                return self.error("ZC-3", record, position, field.name, found, f"{field.length} digits, or all spaces")
            case Class.CUSTOMER if self._profile.exact:
                return self.error("ZC-3", record, position, field.name, found, f"{field.length} digits, or all spaces")
            case Class.FILLER:
                return self.error("A.4", record, position, field.name, found, "spaces")
            case _:
                expected = f"characters of a {field.holds.value} under the {self._profile.name} profile"
                return self.error("ZC-4", record, position, field.name, found, expected)

    def utf8_error(self, rows: Rows, first_record: int) -> FieldError:
        """One error for a file in the wrong encoding: its lengths and characters are all wrong together."""
        high = rows >= 0x80
        place = int(high.any(axis=1).argmax())
        position = int(high[place].argmax()) + 1
        expected = "JIS X 0201 (cp932) or EBCDIC kana; convert the file first"
        return self.error("A.1", first_record + place, position, "encoding", "UTF-8", expected)
