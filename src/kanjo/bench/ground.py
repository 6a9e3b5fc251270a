"""Where a bench works: databases and processes of its own, and a folder; all gone when it ends, however it ends."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from kanjo import db
from kanjo.bench.bank import Bank
from kanjo.bench.hand import Hand

if TYPE_CHECKING:
    from kanjo.sites.lab import Lab


class Ground:
    """`scale` makes everything smaller, for a first look or a test; only at 1 does a figure mean something.

    `template` names a migrated database that nobody is connected to: copying it is quicker.
    """

    def __init__(
        self, server: db.Database, folder: Path, scale: float, stack: ExitStack, *, template: str | None = None
    ) -> None:
        assert 0 < scale <= 1
        self.folder = folder
        self._template = template
        self._server = server
        self._scale = scale
        self._stack = stack

    def size(self, count: int, *, least: int = 100) -> int:
        """So many, made smaller."""
        return max(min(least, count), round(count * self._scale))

    def seconds(self, seconds: float, *, least: float = 0.2) -> float:
        """So long, made shorter."""
        return max(min(least, seconds), seconds * self._scale)

    def database(self) -> db.Database:
        """A fresh, migrated database."""
        return self._stack.enter_context(db.scratch(self._server, "bench", template=self._template))

    def bank(self, accounts: int) -> Bank:
        """A bank of so many accounts in a database of its own."""
        return self.bank_in(self.database(), accounts)

    def bank_in(self, database: db.Database, accounts: int) -> Bank:
        """The same in a database that holds no ledger yet."""
        return Bank(database, accounts, self._stack.enter_context(database.connect(autocommit=True)))

    def lab(self) -> Lab:
        """Two sites, up for as long as the bench. It needs the extra `sites`."""
        from kanjo.sites.lab import Lab

        folder = self.folder / "lab"
        self.folder.chmod(0o711)
        return self._stack.enter_context(Lab(folder).while_used(lambda _: None))

    def hire(self, database: db.Database | None = None) -> Hand:
        """A process that works on the database."""
        return self._stack.enter_context(Hand(database))
