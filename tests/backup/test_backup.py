"""A moment is brought back whole, says what it forgot, and nobody is served before two persons have agreed."""

from __future__ import annotations

import contextlib
import csv
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from backed_up import ACCOUNT, ACCOUNTS, PAYROLL, Bank, Restored, stop

from kanjo import db
from kanjo.backup import Backup, Report
from kanjo.backup.prune import newest, since
from kanjo.backup.report import later_keys
from kanjo.errors import Refused, SystemFailed

pytestmark = pytest.mark.xdist_group("backup")  # one bank for all of it


def balance(bank: Bank, home: Path) -> int:
    return int(bank.run("account", "show", ACCOUNT, home=home)["balance_yen"])


def test_the_second_backup_holds_only_what_changed(bank: Bank) -> None:
    """Incremental where the server can: on top of the full one, and smaller."""
    full, small = bank.run("backup", "list")["backups"]

    assert full["parent"] is None and small["parent"] == full["id"]
    assert small["bytes"] < full["bytes"] / 2
    assert small["business_date"] == "2026-08-24" and small["epoch"] == 1


def test_all_of_it_is_whole(bank: Bank) -> None:
    """By our checksums and by PostgreSQL's own judgement."""
    verdict = bank.run("backup", "verify")

    assert verdict["ok"] and len(verdict["backups"]) == 2 and verdict["damages"] == []


def test_the_report_names_exactly_the_later_keys(bank: Bank, restored: Restored) -> None:
    """Keys answered after the restore point, in the report and in its file; none before it."""
    with (restored.home / "later-keys.csv").open(encoding="utf-8") as text:
        listed = {row["key"] for row in csv.DictReader(text)}

    assert listed == {bank.keys["second"], bank.keys["third"]}
    assert {one["key"] for one in restored.report["later"]} == listed
    assert restored.report["later_count"] == 2


def test_the_restored_ledger_is_proved_in_a_new_epoch(bank: Bank, restored: Restored) -> None:
    """`kanjo check` holds in it, and what it is can be read in it."""
    first, second = bank.run("backup", "epochs", home=restored.home)["epochs"]

    assert bank.run("check", home=restored.home)["ok"] and restored.report["check_ok"]
    assert (first["epoch"], second["epoch"]) == (1, restored.report["epoch"])
    assert second["released_at"] is None and second["backup"] == restored.report["backup"]


def test_doors_stay_shut_until_two_persons_release(bank: Bank, restored: Restored, persons: Path) -> None:
    """Postings, enquiries and the date are refused; one person is not enough; then all goes on where it stood."""
    home = restored.home
    files = {name: bank.folder / f"{name}.json" for name in ("mori", "sato")}
    for name, file in files.items():
        signed = bank.run("backup", "sign", home / "restore.json", "--person", name, "--key", persons / f"{name}.key")
        file.write_bytes(msgspec.json.encode(signed))
    release = ["backup", "release", "--persons", persons]
    alone = ["--signature", files["mori"]]

    assert bank.refused("post", "deposit", ACCOUNT, 1, home=home, status=3) == "doors-shut"
    assert bank.refused("account", "show", ACCOUNT, home=home, status=3) == "doors-shut"
    assert bank.refused("day", "open", "2026-08-25", home=home, status=3) == "doors-shut"
    assert bank.refused("account", "import", ACCOUNTS, home=home, status=3) == "doors-shut"
    assert bank.refused("cut", "load", PAYROLL, home=home, status=3) == "doors-shut"
    for words in (["pause", 1], ["cancel", 1], ["result", 1, "--out", "r.dat"], ["outgoing", 1, "--out", "o.dat"]):
        assert bank.refused("cut", *words, home=home, status=3) == "doors-shut"
    assert not bank.run("cut", "status", home=home)["runs"]
    assert bank.refused("worker", home=home, status=3) == "doors-shut"
    standing = bank.run("up", home=home)
    bank.run("down", home=home)
    assert (standing["doors"], standing["epoch"]) == ("shut", restored.report["epoch"])
    assert bank.refused(*release, *alone, home=home, status=1) == "second-person-missing"
    assert bank.refused(*release, *alone, *alone, home=home, status=1) == "same-person-twice"
    assert bank.refused("post", "deposit", ACCOUNT, 1, home=home, status=3) == "doors-shut"

    bank.run(*release, *alone, "--signature", files["sato"], home=home)

    assert balance(bank, home) == balance(bank, bank.home) - 320_000
    assert bank.run("post", "deposit", ACCOUNT, 7, home=home)["reason"] is None
    assert bank.run("up", home=home)["doors"] == "open"
    bank.run("down", home=home)
    assert bank.run("check", home=home)["ok"]
    assert bank.refused(*release, *alone, "--signature", files["sato"], home=home, status=1) == "doors-open"


def test_signatures_of_another_report_open_nothing(bank: Bank, persons: Path) -> None:
    """A restore is released by what was signed for it, and each restore has an epoch of its own."""
    home = bank.folder / "another"
    report = bank.run("backup", "restore", "--to", bank.moments["second"], "--into", home)
    bent = bank.folder / "bent.json"
    bent.write_bytes((home / "restore.json").read_bytes().replace(b'"later_count": 1', b'"later_count": 0'))
    signatures = []
    for name in ("mori", "sato"):
        file = bank.folder / f"bent-{name}.json"
        signed = bank.run("backup", "sign", bent, "--person", name, "--key", persons / f"{name}.key")
        file.write_bytes(msgspec.json.encode(signed))
        signatures += ["--signature", file]

    assert [one["key"] for one in report["later"]] == [bank.keys["third"]]
    assert report["epoch"] > 1
    refused = bank.refused("backup", "release", "--persons", persons, *signatures, home=home, status=1)
    assert refused == "signature-wrong"


def test_the_last_moment_of_the_log_is_covered(bank: Bank) -> None:
    """After the last posting nothing but the draw's own commit is in the log: that is enough to stop at."""
    home = bank.folder / "last"
    report = bank.run("backup", "restore", "--to", bank.moments["third"], "--into", home)

    assert report["later"] == [] and report["check_ok"]


def test_only_what_is_covered_can_be_brought_back(bank: Bank) -> None:
    """Not before the first backup, not after the drawn log, never over something, never into a running server."""
    new = bank.folder / "never"
    to = ["backup", "restore", "--to"]

    assert bank.refused(*to, "2020-01-01T00:00:00+09:00", "--into", new, status=1) == "restore-too-early"
    assert bank.refused(*to, "2099-01-01T00:00:00+09:00", "--into", new, status=1) == "restore-too-late"
    assert bank.refused(*to, bank.moments["first"], "--into", bank.home, status=1) == "restore-into-taken"
    assert bank.refused(*to, bank.moments["first"], "--into", "postgresql:///x", status=2) == "restore-into"
    assert bank.refused(*to, "2026-08-24T10:00:00", "--into", new, status=2) == "wrong-usage"
    assert not new.exists()


@pytest.mark.parametrize("where", ["base", "log"])
def test_a_bent_file_is_named_with_its_place(bank: Bank, where: str) -> None:
    """One bit of a backup or of the log: which file, from which page; and nothing is restored from it."""
    file = max((one for one in (bank.store / where).rglob("*") if one.is_file()), key=lambda one: one.stat().st_size)
    whole = file.read_bytes()
    place = 3 * 65536 + 77
    try:
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        [damage] = bank.run("backup", "verify", status=1)["damages"]
        code = bank.refused(
            "backup", "restore", "--to", bank.moments["first"], "--into", bank.folder / "never", status=3
        )
    finally:
        file.write_bytes(whole)

    assert damage["file"] == str(file) and damage["byte"] == 3 * 65536
    assert code == "backup-damaged" and not (bank.folder / "never").exists()


def a_backup(number: int, parent: int | None) -> Backup:
    """One that ended at that hour and stands on another."""
    at = datetime(2026, 8, 25, number, tzinfo=UTC)
    return Backup(
        id=str(number),
        parent=None if parent is None else str(parent),
        system_identifier="1",
        timeline=1,
        start_lsn=f"0/{number}000000",
        end_lsn=f"0/{number}000100",
        began_at=at,
        ended_at=at,
        business_date=None,
        epoch=1,
        bytes=1,
        sums_sha256="",
    )


def test_what_is_kept_is_never_a_piece_of_a_chain() -> None:
    """Full ones 1 and 4, on which 2, 3 and 5, 6 stand: whatever is wanted, what it stands on is kept with it."""
    backups = [a_backup(1, None), a_backup(2, 1), a_backup(3, 2), a_backup(4, None), a_backup(5, 4), a_backup(6, 5)]

    assert [one.id for one in newest(backups, 1)] == ["4", "5", "6"]
    assert [one.id for one in newest(backups, 4)] == ["1", "2", "3", "4", "5", "6"]
    assert [one.id for one in newest(backups, 9)] == [one.id for one in backups]
    assert [one.id for one in since(backups, datetime(2026, 8, 25, 4, 30, tzinfo=UTC))] == ["4", "5", "6"]
    assert [one.id for one in since(backups, datetime(2026, 8, 25, 3, tzinfo=UTC))] == ["1", "2", "3", "4", "5", "6"]
    with pytest.raises(Refused, match="nothing older"):
        since(backups, datetime(2026, 8, 25, 0, 59, tzinfo=UTC))


@pytest.mark.crash
def test_a_killed_create_leaves_no_backup(bank: Bank) -> None:
    """Whatever it had copied, `list` knows the complete ones only, and the next one succeeds."""
    before = bank.run("backup", "list")["backups"]
    for words in ("copying", "drawing", "summing"):
        bank.kill_at(words, "backup", "create", "--full")

        assert bank.run("backup", "list")["backups"] == before
    free(bank)
    bank.run("backup", "create")

    assert len(bank.run("backup", "list")["backups"]) == len(before) + 1
    assert bank.run("backup", "verify")["ok"]


def free(bank: Bank) -> None:
    """A program of PostgreSQL that outlives its killed caller still holds the store: wait for its end."""
    for _ in range(100):
        process = bank.begin("backup", "log")
        out, _ = process.communicate(timeout=120)
        if "backup-store-busy" not in out:
            return
    raise AssertionError("the store stayed busy")


@pytest.mark.crash
@pytest.mark.parametrize("words", ["to its end", "applying the log to 2"])
def test_a_killed_restore_leaves_nothing_that_serves(bank: Bank, words: str) -> None:
    """The new home is not there; what lies beside it takes no posting; the next restore clears it away."""
    home = bank.folder / "killed"
    command = ["backup", "restore", "--to", bank.moments["first"], "--into", home]
    bank.kill_at(words, *command)

    assert not home.exists()
    free(bank)
    left = home.with_name("killed.unfinished")
    if (left / "data").exists():
        refused = bank.refused("post", "deposit", ACCOUNT, 1, home=left, status=3)
        assert refused in {"database-read-only", "doors-shut"}
    assert bank.run(*command)["check_ok"]
    assert not left.exists()
    stop(home)
    shutil.rmtree(home)


def test_old_backups_go_and_the_rest_restores(bank: Bank) -> None:
    """After a full backup of now one is kept: later moments are brought back, earlier ones are gone."""
    bank.run("backup", "create", "--full")
    bank.deposit("pruned", 5)
    bank.run("backup", "log")
    with copied_store(bank) as copy:
        before = copy.run("backup", "list")["backups"]

        planned = copy.run("backup", "prune", "--keep", 1, "--plan-only")
        assert copy.run("backup", "list")["backups"] == before and not planned["done"]
        pruned = copy.run("backup", "prune", "--keep", 1)

        assert pruned["removed"] == planned["removed"] == [one["id"] for one in reversed(before[:-1])]
        assert pruned["segments"] and copy.run("backup", "list")["backups"] == before[-1:]
        assert copy.run("backup", "verify")["ok"]
        new = ["--into", bank.folder / "pruned"]
        gone = copy.refused("backup", "restore", "--to", bank.moments["third"], *new, status=1)
        assert gone == "restore-too-early"
        assert copy.run("backup", "restore", "--to", bank.moments["pruned"], *new)["check_ok"]
        assert copy.run("backup", "prune", "--keep", 1)["removed"] == []


def test_nothing_goes_when_what_stays_is_bent(bank: Bank) -> None:
    """The last good backup is worth more than room on the disk."""
    with copied_store(bank) as copy:
        before = copy.run("backup", "list")["backups"]
        (copy.store / "base" / before[-1]["id"] / "data" / "PG_VERSION").write_text("17\n")

        assert copy.refused("backup", "prune", "--keep", 1, status=3) == "backup-damaged"
        assert copy.run("backup", "list")["backups"] == before
        assert copy.refused("backup", "prune", status=2) == "wrong-usage"


@contextlib.contextmanager
def copied_store(bank: Bank) -> Iterator[Bank]:
    """A copy of the store, without its server: what one test removes, others still need."""
    folder = bank.folder / "with-copy"
    shutil.copytree(bank.store, folder / "store")
    try:
        yield Bank(folder)
    finally:
        shutil.rmtree(folder)


def test_a_restored_server_does_not_draw_into_the_old_store(bank: Bank, restored: Restored) -> None:
    """Two lives of one server in one log would be restored as neither."""
    assert bank.refused("backup", "create", home=restored.home, status=3) == "backup-log-gap"


def test_it_costs_nothing_before_the_first_backup_and_after_the_end(bank: Bank, server: db.Database) -> None:
    """No slot keeps log, no summary is written; a store that was given up takes no more."""
    assert kept(server) == (0, "off")
    with db.database(bank.home) as database:
        assert kept(database) == (1, "on")
        bank.run("backup", "end")
        assert kept(database) == (0, "off")
        assert bank.refused("backup", "log", status=3) == "backup-log-gap"


def kept(database: db.Database) -> tuple[int, str]:
    """How many slots hold log back, and whether changed blocks are noted."""
    with database.connect(role="owner") as connection:
        slots = connection.execute("SELECT count(*) FROM pg_replication_slots").fetchone()
        summaries = connection.execute("SHOW summarize_wal").fetchone()
    return slots[0], summaries[0]


def test_a_report_survives_as_it_was_written(restored: Restored) -> None:
    """The file that persons read says what the command said."""
    report = msgspec.json.decode((restored.home / "restore.json").read_bytes(), type=Report)

    assert msgspec.json.decode(msgspec.json.encode(report)) == restored.report


def test_later_keys_are_a_difference_in_order() -> None:
    """Found by going through both lists once; a key that the end has not is no restore of it."""
    end = [("a", "1"), ("a", "2"), ("b", "1")]

    assert list(later_keys([("a", "2")], end)) == [("a", "1"), ("b", "1")]
    assert list(later_keys([], end)) == end
    with pytest.raises(SystemFailed, match="has the key 9 of z"):
        list(later_keys([("z", "9")], end))
