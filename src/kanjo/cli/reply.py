"""What a command answers: one object for programs, and the same in parts for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings. Integers are amounts or counts and get separators; numbers that name a thing are text."""

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    title: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values of one thing, a line each."""

    values: Mapping[str, object]


Part: TypeAlias = Table | Facts | str


@dataclass(frozen=True, slots=True)
class Reply:
    """`content` is what `--json` prints, with the names of design 9; `parts` is what people see.

    `exit_status` is 1 when the ledger refused what was asked: that is an answer, not an error.
    """

    content: Mapping[str, Any]
    parts: Sequence[Part] = field(default=())
    exit_status: int = 0
