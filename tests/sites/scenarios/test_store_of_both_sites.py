"""One store of backups for both sites: drawn from whoever serves, and any moment of it is brought back."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from psycopg.conninfo import make_conninfo
from runbook import Runbook
from waiting import wait_until

from banks import key
from kanjo import backup, db, ledger
from kanjo.ledger import Batcher, Outcome, StoreFailed
from kanjo.sites.lab.bring_up import signed
from kanjo.sites.lab.ground import hand_over, read_record

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

    def home(self, name: str) -> Path:
        """Where the moment behind that deposit is brought back to."""
        return self.folder / f"restored-{name}"

    def restored(self, name: str) -> set[str]:
        """Bring that moment back and prove it; returns the keys that were answered later."""
        report = backup.restore(self.store, self.moments[name], self.home(name), lambda _: None)
        assert report.check_ok and report.later_count == len(report.later)
        return {one.key for one in report.later}


def test_sites_are_built_from_a_restored_ledger(runbook: Runbook) -> None:
    """As the page says: whatever the sites have goes aside, the first node gets the restored data, the others copy it.

    Both sites are in step before the doors are opened by two persons; what came after the moment is forgotten in both.
    """
    keeper, lab = Keeper(runbook), runbook.lab
    keeper.create()
    keeper.deposit("good")
    keeper.deposit("mistake")
    keeper.draw()
    runbook.order("detach", "a", "a mistake is taken back")
    assert keeper.restored("good") == {str(key("mistake"))}

    sites = runbook.desk.topology.sites
    votes = [member for site in sites for member in site.etcd]
    lab.kill([*runbook.nodes(), *(member.name for member in votes)])
    for place in (Path(one.data) for one in (*votes, *(node for site in sites for node in site.nodes))):
        place.rename(place.with_name(f"{place.name}.aside"))
    first = runbook.node("a1")
    shutil.copytree(keeper.home("good") / "data", first.data)
    written = yaml.safe_load((lab.ground.host / "etc" / "a1" / "patroni.yml").read_text("utf-8"))
    Path(first.data, "patroni.dynamic.json").write_text(json.dumps(written["bootstrap"]["dcs"]))
    hand_over(lab.ground, read_record(lab.ground).account)
    lab.kill(["link-a", "link-b"])
    lab.start([*(member.name for member in votes), "link-a", "link-b", "a1"])
    wait_until(lambda: runbook.takes_writes("a1"), "a1 takes writes")
    lab.start(["a2", "a3", "b1"])
    wait_until(lambda: runbook.state_of("b1") == "streaming", "b1 follows")
    lab.start(["b2"])
    runbook.order("attach", "a", "both sites stand again")
    runbook.until_well()
    assert runbook.serves() == ("a", "required") and runbook.rule("a").endswith(",b1,b2)")

    with pytest.raises(StoreFailed, match="doors of this restored ledger are shut"):
        keeper.deposit("too-early")
    report = backup.digest_of_report(keeper.home("good") / "restore.json")
    backup.release(keeper.database, signed(lab.ground, report), runbook.desk.persons())
    keeper.deposit("after")
    kept = {key(name) for name in ("good", "after")}
    assert runbook.bank.keys("a", CLIENT) == kept
    wait_until(lambda: runbook.bank.keys("b", CLIENT) == kept, "b shows them too")


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
