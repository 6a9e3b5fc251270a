"""The database and the ledger as a command uses them: opened for it, closed behind it.

Rooms are imported by the commands that use them, not by their files: `kanjo --help` shall not wait for numpy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from kanjo.cli.printing import say
from kanjo.errors import KanjoError, Refused, SystemFailed

if TYPE_CHECKING:
    from kanjo.db import Database
    from kanjo.ledger import PostgresStore

_LOST = frozenset({"database-stopped", "database-starting", "database-unreachable", "workers-died"})


@contextmanager
def opened_database() -> Iterator[Database]:
    """The database of this command; what it waits for (start, recovery) is said on standard error.

    When it was lost under the command because its disk is full, the error is `disk-full`.
    """
    from kanjo import db

    with db.database(progress=say) as database:
        try:
            yield database
        except Exception as error:
            if database.embedded and _is_loss(error) and (full := db.full_disk()) is not None:
                raise SystemFailed(full.code, full.message, **_details(error)) from error
            raise


def _is_loss(error: Exception) -> bool:
    """Whether the database went away under the command, and what was under way is known to be undone."""
    import psycopg

    from kanjo import db, ledger

    match error:
        case ledger.OutcomeUnknown():
            return not error.committing
        case ledger.StoreFailed(__cause__=psycopg.Error() as cause):
            return db.explain(cause).code in _LOST
        case psycopg.Error():
            return db.explain(error).code in _LOST
        case SystemFailed():
            return error.code in _LOST
    return False


def _details(error: Exception) -> dict[str, Any]:
    return dict(error.details) if isinstance(error, KanjoError) else {}


@contextmanager
def store_in(database: Database) -> Iterator[PostgresStore]:
    """The ledger on a connection of its own, where commits are answered.

    Whatever a command read is told only once it is known wherever a commit must be, also with a refusal: it may be how
    somebody finds a lost answer again, and a site that is cut off may have it alone.
    """
    from kanjo import ledger

    with closing(ledger.PostgresStore(database.connect(autocommit=True, to_post=True))) as store:
        try:
            yield store
        except Refused:
            store.confirm()
            raise
        store.confirm()


@contextmanager
def opened_store(*, may_be_shut: bool = False) -> Iterator[PostgresStore]:
    """The ledger, for commands that need nothing else of the database; `may_be_shut`: who only looks may see a restored
    ledger before its doors are released.
    """
    from kanjo import ledger

    with opened_database() as database, store_in(database) as store:
        if not may_be_shut:
            ledger.require_open(store.connection)
        yield store
