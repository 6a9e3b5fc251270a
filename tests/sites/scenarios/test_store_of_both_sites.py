"""One store of backups for both sites: drawn from whoever serves, and any moment of it is brought back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from psycopg.conninfo import make_conninfo
from runbook import Runbook
from waiting import wait_until

from banks import key
from kanjo import backup, db, ledger
from kanjo.ledger import Batcher, Outcome

pytestmark = [pytest.mark.sites, pytest.mark.long, pytest.mark.xdist_group("sites-lab")]

CLIENT = "backup"
KEPT = {
    "slots": {"kanjo_backup": {"type": "physical", "cluster_type": "primary"}},
    "postgresql": {"parameters": {"summarize_wal": "on"}},
}
"""What docs/how-to/two-clouds.md enters with patronictl at each site."""
IS_KEPT = "SELECT slot_name FROM pg_replication_slots WHERE slot_name = 'kanjo_backup'"


class Keeper:
    """Makes deposits with names, and backs them up."""

    def __init__(self, runbook: Runbook) -> None:
        self._bank, self.folder = runbook.bank, runbook.lab.ground.folder.parent
        self.database = db.reach(make_conninfo(runbook.dsn(), user="postgres"), embedded=False)
        self.store = backup.Store(self.folder / "backups")
        self.moments: dict[str, datetime] = {}

    def deposit(self, name: str) -> None:
        """Answered, and the moment behind it noted."""
        with Batcher(lambda: ledger.store_of(self._bank.database)) as batcher:
            asked = ledger.deposit(CLIENT, key(name), self._bank.account(), 5)
            assert isinstance(batcher.post(asked), Outcome)
        self.moments[name] = datetime.now(UTC)

    def create(self) -> backup.Backup:
        return backup.create(self.database, self.store, lambda _: None)

    def draw(self) -> None:
        backup.draw(self.database, self.store)

    def restored(self, name: str) -> set[str]:
        """Bring the moment behind that deposit back and prove it; returns the keys that were answered later."""
        report = backup.restore(self.store, self.moments[name], self.folder / f"restored-{name}", lambda _: None)
        assert report.check_ok and report.later_count == len(report.later)
        return {one.key for one in report.later}


def test_a_store_goes_on_over_a_takeover_a_move_and_the_loss_of_a_cloud(runbook: Runbook) -> None:
    """a1, the next node of a, b, and a again once b is lost: each backup holds only what changed, whoever made the one
    before it, and moments of every primary's life are brought back, each with exactly the later keys.
    """
    keeper = Keeper(runbook)
    for site in runbook.desk.topology.sites:
        runbook.desk.configure(site, KEPT)
    first = runbook.leader("a")
    assert first is not None
    wait_until(lambda: runbook.sql(first, IS_KEPT), "Patroni keeps the slot")

    keeper.create()
    keeper.deposit("first")
    keeper.draw()
    keeper.deposit("drawn-from-the-next")
    runbook.lab.kill([f"{first}.postgres"])
    runbook.until_another_serves("a", first)
    keeper.deposit("taken-over")
    keeper.create()

    runbook.until_well()
    keeper.deposit("before-the-move")
    runbook.order("switchover", "b")
    keeper.deposit("moved")
    keeper.create()

    runbook.until_well()
    keeper.deposit("before-the-loss")
    runbook.lab.kill(["b"])
    runbook.order("promote", "a", "cloud b is lost")
    keeper.deposit("alone")
    keeper.create()
    keeper.deposit("last")
    keeper.draw()

    backups = keeper.store.backups()
    assert backup.verify(keeper.store).ok
    assert [one.timeline for one in backups] == [1, 2, 3, 4]
    assert [one.parent for one in backups] == [None, *(one.id for one in backups[:-1])]
    names = list(keeper.moments)
    for name in ("first", "taken-over", "before-the-move", "moved", "before-the-loss", "alone"):
        later = names[names.index(name) + 1 :]
        assert keeper.restored(name) == {str(key(one)) for one in later}
