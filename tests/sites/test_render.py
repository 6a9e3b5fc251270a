"""What is rendered can be read by those for whom it is written."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from registering import Office, appoint, serving

from kanjo.sites import Topology, read_topology
from kanjo.sites.facts import RegisterSilent, reader_of
from kanjo.sites.link.config import read_config as read_link
from kanjo.sites.mutual_tls import credentials_in
from kanjo.sites.node_file import RegisterAddress, read_node_file
from kanjo.sites.register.server import read_config as read_register
from kanjo.sites.render import Installed, rendered
from kanjo.sites.render.dynamic import parameters

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "sites.toml"
HAPROXY = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")


@pytest.fixture
def written(example: Topology, tmp_path: Path) -> Path:
    """The example's files in a folder."""
    for file in rendered(example):
        place = tmp_path / file.path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(file.text, "utf-8")
    return tmp_path


def test_each_end_of_the_link_meets_the_other(written: Path) -> None:
    """Where one listens the other calls, each expects the other's name, and both carry the leader."""
    a, b = (read_link(written / site / "link" / "link.json") for site in "ab")

    assert (a.other, b.other) == (b.listen, a.listen)
    assert (a.peer, b.peer) == ("link-b", "link-a")
    assert [entrance.service for entrance in a.entrances] == [service.name for service in b.services] == ["leader"]


def test_a_reload_of_the_link_is_no_restart(written: Path) -> None:
    """It is the signal at which an end takes renewed certificates; without it systemd knows no reload."""
    for site in "ab":
        unit = (written / site / "link" / f"kanjo-link-{site}.service").read_text("utf-8")
        assert "ExecReload=/bin/kill -HUP $MAINPID" in unit.splitlines()


def test_the_log_kept_for_a_site_that_is_away_is_chosen(example: Topology) -> None:
    """In sites.toml; what is not chosen is limited too."""
    text = EXAMPLE.read_text("utf-8")
    chosen = read_topology(text.replace("log_kept_gib_max = 64", "log_kept_gib_max = 200"))
    silent = read_topology(text.replace("log_kept_gib_max", "# "))

    limits = [parameters(one, Installed())["max_slot_wal_keep_size"] for one in (example, chosen, silent)]
    assert limits == ["64GB", "200GB", "64GB"]


def test_the_log_is_kept_by_slots_alone(example: Topology) -> None:
    """No node copies it into a folder that nobody reads and nobody clears; backups draw it (decision 0012)."""
    assert [name for name in parameters(example, Installed()) if name.startswith("archive")] == []


def test_the_register_knows_both_sites(written: Path) -> None:
    """And nobody else."""
    assert read_register(written / "register" / "register.json").sites == ["a", "b"]


def test_a_gate_reads_the_register_with_what_its_file_says(written: Path, office: Office) -> None:
    """The reader that is named there exists; an undecided register names no site, a decided one its site."""
    named = read_node_file(written / "a" / "a1" / "patroni.yml").ours.register.reader
    with serving(office) as (_, told):
        host, port = told.rsplit(":", 1)
        found = msgspec.to_builtins(credentials_in(office.tls, "gate-a"))
        address = RegisterAddress(host=host, port=int(port), reader=named, **found)
        assert reader_of(address).read().site not in ("a", "b")
        change = appoint("a")
        office.client(told).change(change, office.signed(change))
        state = reader_of(address).read()
        assert (state.site, state.epoch, state.mode) == ("a", 1, "required")
    with pytest.raises(RegisterSilent):
        reader_of(address).read()


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """The example's files with this machine's programs and addresses, for those who look whether they are there."""
    text = re.sub(r'host = "[^"]+"', 'host = "127.0.0.1"', EXAMPLE.read_text("utf-8"))
    programs = Installed(python=sys.executable, user="daemon", etcd="/bin/true", haproxy=HAPROXY or "/bin/true")
    for file in rendered(read_topology(text), programs):
        place = tmp_path / Path(file.path).name if file.path.endswith(".service") else tmp_path / file.path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(file.text, "utf-8")
    return tmp_path


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_takes_every_unit_without_a_word(here: Path) -> None:
    """Unknown settings, commands that are not there, what would be ignored: it says so on standard error."""
    units = sorted(here.glob("*.service"))
    ran = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True)

    assert len(units) == 16
    assert [line for line in (ran.stdout + ran.stderr).splitlines() if "kanjo-" in line] == []
    assert ran.returncode == 0


@pytest.mark.skipif(HAPROXY is None, reason="HAProxy is not installed")
def test_haproxy_takes_its_files(here: Path) -> None:
    """Without an alert and without a warning."""
    for site in "ab":
        ran = subprocess.run([str(HAPROXY), "-c", "-f", here / site / "haproxy" / "haproxy.cfg"], capture_output=True)
        assert ran.returncode == 0
        assert b"WARNING" not in ran.stderr and b"ALERT" not in ran.stderr, ran.stderr
