"""Zengin (全銀) fixed-length files: payroll, bulk transfer, direct debit and its result, read and written.

The room turns bytes into checked columns and back, with constant memory and without a loop over records. It never
touches a database, a clock or the file system, and never lets an account holder's name into an error. Start reading at
`reader.Reader`, then `layout` (what stands where) and `profile` (what it may hold).
"""

from __future__ import annotations

from kanjo.formats.zengin.composing import compose, compose_header, with_results
from kanjo.formats.zengin.encoding import Encoding
from kanjo.formats.zengin.headings import header_of
from kanjo.formats.zengin.kana import normalise
from kanjo.formats.zengin.profile import LENIENT, STRICT, Profile
from kanjo.formats.zengin.reader import Reader
from kanjo.formats.zengin.records import Event, FileEnd, GroupEnd, GroupStart, Header, Records, Trailer, Warning_
from kanjo.formats.zengin.refusal import BadFile, FieldError
from kanjo.formats.zengin.writer import Writer

__all__ = [
    "LENIENT",
    "STRICT",
    "BadFile",
    "Encoding",
    "Event",
    "FieldError",
    "FileEnd",
    "GroupEnd",
    "GroupStart",
    "Header",
    "Profile",
    "Reader",
    "Records",
    "Trailer",
    "Warning_",
    "Writer",
    "compose",
    "compose_header",
    "header_of",
    "normalise",
    "with_results",
]
