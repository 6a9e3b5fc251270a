"""Enquiries that read more than the account's row: in the very unit that settled what is due there (C-5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from kanjo.errors import Refused, SystemFailed
from kanjo.ledger.instruction import Enquiry
from kanjo.ledger.outcome import Snapshot
from kanjo.ledger.post import CONFLICTS_MAX, enquire, post_in
from kanjo.ledger.store import NOT_POISON, Conflict, Store, Unit

Found = TypeVar("Found")


def enquire_with(store: Store, account: int, read: Callable[[Unit, Snapshot], Found]) -> Found:
    """What `read` makes of the account once nothing due is left on it; it may raise Refused.

    Errors: those of `read`, SystemFailed `not-decided` when the program failed on this enquiry alone (O-9).
    """
    conflicts = failures = 0
    while True:
        try:
            with store.unit() as unit:
                [answer] = post_in(unit, [Enquiry(account)])
                if isinstance(answer, Snapshot):
                    return read(unit, answer)
            # more is due than one commit settles (O-8): this one is kept, and the next goes on behind it
        except Refused:
            raise
        except Conflict:
            conflicts += 1
            if conflicts > CONFLICTS_MAX:
                raise
        except NOT_POISON:
            raise
        except Exception as error:
            failures += 1
            if failures > 1:
                raise SystemFailed("not-decided", f"the enquiry failed: {type(error).__name__}: {error}") from error
            enquire(store, account)  # holds a poison item back (O-9), so that the next try says so
