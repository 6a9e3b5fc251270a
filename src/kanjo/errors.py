"""What a command tells its caller when it cannot do what was asked.

A refusal of a posting is a value (`ledger.Outcome`); these exceptions are for whole commands: a bad file, a wrong
state, a database that cannot be reached. Codes are stable kebab-case words listed in docs/reference/codes.md.
"""

from __future__ import annotations


class KanjoError(Exception):
    """An error with a stable code, a sentence for the reader, and details for a program.

    `exit_status`: 1 refused by a rule, 2 wrong usage, 3 the system failed (design 9).
    """

    exit_status = 3

    def __init__(self, code: str, message: str, **details: object) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details


class Refused(KanjoError):
    """A rule of the bank forbids it; nothing was changed."""

    exit_status = 1


class WrongUsage(KanjoError):
    """The command line or an argument is not of the form it must have."""

    exit_status = 2


class SystemFailed(KanjoError):
    """The machine, the database or the program failed; the message says what to do."""

    exit_status = 3
