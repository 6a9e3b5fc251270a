"""The database and the ledger as a command uses them: opened for it, closed behind it.

Rooms are imported by the commands that use them, not by their files: `kanjo --help` shall not wait for numpy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kanjo.cli.printing import say

if TYPE_CHECKING:
    from kanjo.db import Database
    from kanjo.ledger import PostgresStore


@contextmanager
def opened_database() -> Iterator[Database]:
    """The database of this command; what it waits for (start, recovery) is said on standard error."""
    from kanjo import db

    with db.database(progress=say) as database:
        yield database


@contextmanager
def store_in(database: Database) -> Iterator[PostgresStore]:
    """The ledger on a connection of its own."""
    from kanjo import ledger

    with database.connect(autocommit=True) as connection:
        yield ledger.PostgresStore(connection)


@contextmanager
def opened_store() -> Iterator[PostgresStore]:
    """The ledger, for commands that need nothing else of the database."""
    with opened_database() as database, store_in(database) as store:
        yield store
