"""An archive for each host: what belongs there, of whom, and nothing else; none while something is missing."""

from __future__ import annotations

import json
import stat
import tarfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kanjo.errors import Refused
from kanjo.sites import Topology
from kanjo.sites.certificates import PARTY_DAYS, issue_all
from kanjo.sites.operate.desk import DeskFile, read_desk
from kanjo.sites.pack import pack
from kanjo.sites.person import make_person
from kanjo.sites.render import rendered
from kanjo.sites.render.hosts import TOPOLOGY

NOW = datetime.now(UTC)
EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "sites.toml"


@pytest.fixture
def out(example: Topology, tmp_path: Path) -> Path:
    """The example's files, certificates, persons; every example filled in."""
    for file in rendered(example):
        place = tmp_path / file.path.removesuffix(".example")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(file.text.replace("CHANGE-ME-", "word-of-"), "utf-8")
    (tmp_path / TOPOLOGY).write_bytes(EXAMPLE.read_bytes())
    issue_all(example, tmp_path / "authority", tmp_path, now=NOW)
    for person in ("hanako", "taro"):
        make_person(tmp_path / "persons", person)
    return tmp_path


def test_a_host_gets_its_own_things_under_their_owners(example: Topology, out: Path) -> None:
    """A node's host: its node, its vote, its secrets, folders for data; no other host's key, no person's."""
    packed = {one.host: one.archive for one in pack(example, out, now=NOW)}

    assert len(packed) == 12
    archive = packed["a1.cloud-a.example"]
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    with tarfile.open(archive) as tar:
        found = {one.name: (one.uname, one.mode) for one in tar.getmembers()}
    etc, units = "etc/kanjo/sites", "etc/systemd/system"
    assert found == {
        "var/lib/kanjo": ("postgres", 0o700),
        f"{etc}/a1/patroni.yml": ("root", 0o644),
        f"{etc}/a1/pgpass": ("postgres", 0o600),
        f"{etc}/a1/a1.crt": ("postgres", 0o644),
        f"{etc}/a1/a1.key": ("postgres", 0o600),
        f"{etc}/etcd-a1/etcd.yml": ("root", 0o644),
        f"{etc}/authority.crt": ("postgres", 0o644),
        f"{etc}/credentials-a.env": ("root", 0o600),
        f"{units}/kanjo-patroni-a1.service": ("root", 0o644),
        f"{units}/kanjo-etcd-a1.service": ("root", 0o644),
    }
    for host, archive in packed.items():
        with tarfile.open(archive) as tar:
            keys = [name for name in tar.getnames() if name.endswith(".key")]
        assert len(keys) == (0 if host.startswith("db.") or host == "b3.cloud-b.example" else 1)


def test_nothing_is_packed_while_something_is_missing(example: Topology, out: Path) -> None:
    """An example that is not filled in, a lost key, a second person who is not there: all are told at once."""
    (out / "a/a1/pgpass").write_text("CHANGE-ME-postgres")
    (out / "register/register.key").unlink()
    (out / "persons/taro.pub").unlink()

    with pytest.raises(Refused) as refused:
        pack(example, out, now=NOW)

    assert refused.value.code == "pack-incomplete"
    assert len(refused.value.details["errors"]) == 3
    assert not (out / "hosts").exists()


def test_a_certificate_that_ended_is_not_packed(example: Topology, out: Path) -> None:
    """It would open nothing there; which file it is, and since when, is told."""
    later = NOW + timedelta(days=PARTY_DAYS)

    with pytest.raises(Refused) as refused:
        pack(example, out, now=later)

    errors = refused.value.details["errors"]
    assert len(errors) == 9 and f"{out}/a/link/link-a.crt ended on {later:%Y-%m-%d}" in errors


def test_the_desk_reads_its_file(example: Topology, out: Path) -> None:
    """No field is missing or unknown."""
    written = out / "desk" / "desk.json"
    here = out / "desk" / "here.json"
    here.write_text(written.read_text("utf-8").replace("/etc/kanjo/desk", str(out / "desk")))

    assert read_desk(here).topology == example
    assert set(DeskFile.__struct_fields__) == set(json.loads(written.read_text("utf-8")))
