"""The one place where an exception becomes what the caller is told: a code, a sentence, an exit status."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import typer

from kanjo.errors import KanjoError, SystemFailed, WrongUsage

DEBUG = "KANJO_DEBUG"
"""Set to anything, it shows the stack trace of an error on standard error."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a command did not do what was asked; `usage` is shown to people before the message."""

    code: str
    message: str
    exit_status: int
    details: Mapping[str, Any] = field(default_factory=dict)
    usage: str = ""


def failure_of(error: BaseException) -> Failure:
    """What to tell of an exception; no stack trace unless KANJO_DEBUG asks for it (design 9)."""
    if os.environ.get(DEBUG) and not isinstance(error, KeyboardInterrupt):
        traceback.print_exception(error, file=sys.stderr)
    if isinstance(error, typer.TyperException):
        return _wrong_usage(error)
    known = _known(error)
    return Failure(known.code, known.message, known.exit_status, known.details)


def interrupted(signal_number: int) -> Failure:
    """Ended by a signal: the status that a shell gives, 130 for Ctrl-C and 143 for SIGTERM."""
    return Failure("interrupted", "Interrupted; what was answered before is kept.", 128 + signal_number)


def _wrong_usage(error: typer.TyperException) -> Failure:
    context = getattr(error, "ctx", None)
    usage = "" if context is None else f"{context.get_usage()}\nTry '{context.command_path} --help' for help.\n"
    details = {} if context is None else {"command": context.command_path}
    return Failure("wrong-usage", error.format_message(), WrongUsage.exit_status, details, usage)


def _known(error: BaseException) -> KanjoError:
    if isinstance(error, KanjoError):
        return error
    if isinstance(error, OSError):
        return _of_system(error)
    return _of_ledger(error) or SystemFailed(
        "internal",
        f"The program failed: {type(error).__name__}: {error}. Set {DEBUG}=1 and run the command again to see where; "
        "please report it.",
        exception=type(error).__name__,
    )


def _of_system(error: OSError) -> KanjoError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return SystemFailed("disk-full", f"There is no room left on the disk: {error}.")
    return SystemFailed("system-error", f"The operating system refused something: {error}.")


def _of_ledger(error: BaseException) -> KanjoError | None:
    """Errors of the database and of the posting path; their rooms are only looked at when they are loaded already."""
    import psycopg

    from kanjo import db, ledger

    match error:
        case ledger.OutcomeUnknown(committing=False, __cause__=psycopg.Error() as cause):
            return db.explain(cause)
        case ledger.OutcomeUnknown():
            return SystemFailed(
                "outcome-unknown",
                "The database's connection was lost while it was committing, so it may have happened or not. "
                "Look before you repeat it; what bears a key is repeated safely with the same key.",
            )
        case ledger.CommitTooWeak():
            return SystemFailed(
                "commit-too-weak",
                f"An answer would leave before its commit is safe: {error}. Find who lowered it (ALTER ROLE, ALTER "
                "DATABASE, a session's own SET) and take it back. Nothing was posted.",
            )
        case ledger.StoreFailed(__cause__=psycopg.Error() as cause):
            return db.explain(cause)
        case ledger.StoreFailed():
            return SystemFailed("database-error", f"The database failed: {error}")
        case ledger.Conflict():
            return SystemFailed(
                "database-busy", f"Others kept changing the same thing; nothing was changed here. Repeat it. ({error})"
            )
        case psycopg.Error():
            return db.explain(error)
        case _:
            return None
