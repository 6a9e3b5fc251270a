"""Calls: recorded histories read back, each request joined with its answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import msgspec

from kanjo.check.lines import (
    AnsweredLine,
    AskedLine,
    DecidedOn,
    EndedLine,
    EntryTold,
    HeadLine,
    How,
    Line,
    instruction_of,
    reason_of,
)
from kanjo.check.uncollected import uncollected
from kanjo.errors import Refused, WrongUsage
from kanjo.ledger import Asked, Reason


class Told(msgspec.Struct, frozen=True, gc=False):
    """What the caller was told."""

    reason: Reason
    replayed: bool
    resolved: bool
    business_date: date | None
    value_date: date | None
    touched: tuple[DecidedOn, ...]
    entries: tuple[EntryTold, ...]


class Call(msgspec.Struct):
    """One request of one caller. `told` and `how` are None when nobody wrote down how it ended: it may have happened.

    `clock` is the clock's place in the history; times of different clocks are never compared.
    """

    file: int
    line: int
    clock: int
    caller: str
    asked: Asked
    asked_us: int
    ended_us: int = -1
    told: Told | None = None
    how: How | None = None


class History(msgspec.Struct, frozen=True):
    """Everything that was recorded. `complete` are clients whose every request stands in it."""

    calls: list[Call]
    files: tuple[str, ...] = ()
    clocks: tuple[str, ...] = ()
    complete: frozenset[str] = frozenset()


def read_histories(paths: Sequence[Path]) -> History:
    """All histories as one. Errors: `bad-history` with file and line; WrongUsage `file-unreadable`.

    A last line without its end is what a killed process leaves: it is taken when it is whole and passed over when not.
    """
    calls: list[Call] = []
    clocks: dict[str, int] = {}
    complete: set[str] = set()
    for file, path in enumerate(paths):
        try:
            with uncollected():
                head = _read(file, path, clocks, calls)
        except OSError as error:
            raise WrongUsage("file-unreadable", f"cannot read {path}: {error.strerror}", file=str(path)) from error
        complete.update(head.complete)
    return History(calls, tuple(map(str, paths)), tuple(clocks), frozenset(complete))


def _read(file: int, path: Path, clocks: dict[str, int], calls: list[Call]) -> HeadLine:
    head: HeadLine | None = None
    clock = 0
    open_calls: dict[int, Call] = {}
    ended: set[int] = set()
    number = 0
    try:
        for number, line in _lines(path):
            if head is None:
                if not isinstance(line, HeadLine):
                    raise ValueError("a history begins with its head line")
                head = line
                clock = clocks.setdefault(head.clock, len(clocks))
            elif isinstance(line, AskedLine):
                if line.number in open_calls or line.number in ended:
                    raise ValueError(f"call {line.number} was asked before")
                call = Call(file, number, clock, line.caller, instruction_of(line), line.at_us)
                open_calls[line.number] = call
                calls.append(call)
            elif isinstance(line, HeadLine):
                raise ValueError("a second head line")
            else:
                _end(open_calls, ended, line)
    except (ValueError, TypeError) as error:  # msgspec's own errors are ValueErrors
        place = number if not isinstance(error, _BadLine) else error.number
        raise Refused(
            "bad-history", f"{path}, line {place}: {error}; see docs/reference/history.md", file=str(path), line=place
        ) from error
    if head is None:
        raise Refused("bad-history", f"{path}, line 1: the file is empty", file=str(path), line=1)
    return head


def _end(open_calls: dict[int, Call], ended: set[int], line: AnsweredLine | EndedLine) -> None:
    call = open_calls.pop(line.number, None)
    if call is None:
        raise ValueError(f"call {line.number} " + ("ended before" if line.number in ended else "was never asked"))
    if line.at_us < call.asked_us:
        raise ValueError(f"call {line.number} ended before it was asked")
    ended.add(line.number)
    call.ended_us = line.at_us
    if isinstance(line, EndedLine):
        call.how = line.how
        return
    call.told = told_by(line)


def told_by(line: AnsweredLine) -> Told:
    """What its caller heard."""
    return Told(
        reason_of(line),
        line.replayed,
        line.resolved,
        line.business_date,
        line.value_date,
        line.touched,
        line.entries,
    )


class _BadLine(ValueError):
    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.number = number


def _lines(path: Path) -> Iterator[tuple[int, Line]]:
    decode = msgspec.json.Decoder(Line).decode
    with path.open("rb") as content:
        for number, raw in enumerate(content, 1):
            try:
                line = decode(raw)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                if not raw.endswith(b"\n") and number > 1:
                    return
                raise _BadLine(number, str(error)) from error
            yield number, line
