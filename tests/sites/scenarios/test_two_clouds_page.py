"""docs/how-to/two-clouds.md, followed with the example's own files: rendered, filled in, packed, unpacked, started.

Only addresses, ports and folders are this machine's; units are started by what they say, since no systemd is asked.
"""

from __future__ import annotations

import os
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from folders import open_folder
from waiting import wait_until

from kanjo.sites import Topology, read_topology, require_sound
from kanjo.sites.certificates import issue_all
from kanjo.sites.lab import reaper
from kanjo.sites.lab.ground import Ground, prepared
from kanjo.sites.lab.made import PARAMETERS, free_ports
from kanjo.sites.lab.parts import end_all
from kanjo.sites.operate.desk import Desk, read_desk
from kanjo.sites.operate.look import look
from kanjo.sites.pack import pack
from kanjo.sites.person import make_person
from kanjo.sites.render import Installed, rendered
from kanjo.sites.render.credentials import filled_in

pytestmark = [pytest.mark.sites, pytest.mark.long, pytest.mark.xdist_group("sites-lab")]

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "sites.toml"
KANJO = Path(sys.executable).with_name("kanjo")


class Clouds:
    """All hosts of the example in one folder."""

    def __init__(self, folder: Path) -> None:
        self.ground, self.out, self.keys = Ground(folder), folder / "installed", folder / "keys"
        self.made = prepared(self.ground, {})
        self.topology = self._topology()
        host = self.ground.host
        self.installed = Installed(
            python=" ".join(self.made.python),
            folder=f"{host}/etc/sites",
            run=f"{host}/run",
            state=f"{host}/data",
            persons=f"{host}/etc/sites/persons",
            desk=str(folder / "desk"),
            user=self.made.user,
            postgresql_bin=self.made.postgresql_bin,
            etcd=self.made.etcd,
            haproxy=self.made.haproxy or "haproxy",
            watchdog="off",
            parameters=PARAMETERS,
        )
        self.passwords = defaultdict[str, str](lambda: secrets.token_hex(16))
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def desk(self) -> Desk:
        return read_desk(Path(self.installed.at_desk("desk.json")))

    def prepare(self) -> None:
        """Render, certificates, persons, passwords, archives; each archive unpacked where it says."""
        for file in rendered(self.topology, self.installed):
            place = self.out / file.path
            place.parent.mkdir(parents=True, exist_ok=True)
            # whomever a process calls on the loopback, it comes from 127.0.0.1
            place.write_text(re.sub(r"127\.0\.1\.\d+/32", "127.0.0.1/32", file.text), "utf-8")
        now = datetime.now(UTC)
        issue_all(self.topology, self.ground.folder / "authority", self.out, now=now)
        (self.out / "persons").mkdir()
        for person in ("hanako", "taro"):
            public = make_person(self.keys, person).with_suffix(".pub")
            shutil.copy(public, self.out / "persons")
        for example in self.out.rglob("*.example"):
            example.with_suffix("").write_text(filled_in(example.read_text("utf-8"), self.passwords))
        for packed in pack(self.topology, self.out, self.installed, now=now):
            unpack = ("tar", "-xp", "-C", "/", "--exclude", "etc/systemd", "-f", packed.archive)
            subprocess.run(unpack, check=True, umask=0o022)
        for site in "ab":
            Path(self.installed.at_desk(f"link-{site}.sock")).symlink_to(f"{self.installed.run}/link-{site}.sock")

    def start(self, *units: str) -> None:
        """What systemd would do: the command and the environment that the unit names, under its user."""
        for unit in units:
            [file] = self.out.rglob(f"kanjo-{unit}.service")
            said = dict(re.findall(r"^(\w+)=(.*)$", file.read_text("utf-8"), re.MULTILINE))
            assert said["User"] == self.made.user
            spawning = self.made.account.spawning()
            spawning["env"] = {**spawning["env"], "PYTHONPATH": self.made.python_path}
            if "EnvironmentFile" in said:
                lines = Path(said["EnvironmentFile"]).read_text("utf-8").splitlines()
                spawning["env"] |= dict(line.split("=", 1) for line in lines if not line.startswith("#"))
            command = (*self.made.python, reaper.__file__, *shlex.split(said["ExecStart"]))
            with self.ground.log(unit).open("ab") as log:
                self._running[unit] = subprocess.Popen(
                    command, stdout=log, stderr=log, start_new_session=True, **spawning
                )

    def stop(self, unit: str) -> None:
        """End a service."""
        os.killpg(self._running[unit].pid, signal.SIGTERM)
        self._running[unit].wait()

    def kanjo(self, *words: str) -> subprocess.Popen[str]:
        """A command typed at the desk."""
        entrances = [site.haproxy for site in self.topology.sites]
        hosts, ports = ",".join(one.host for one in entrances), ",".join(str(one.port) for one in entrances)
        url = f"host={hosts} port={ports} user=kanjo dbname=kanjo target_session_attrs=read-write connect_timeout=2"
        names = {"KANJO_DATABASE_URL": url, "PGPASSFILE": self.installed.at_desk("pgpass")}
        return subprocess.Popen([KANJO, *words], stdout=subprocess.PIPE, text=True, env={**os.environ, **names})

    def done(self, *words: str) -> str:
        """What a command says that must succeed."""
        command = self.kanjo(*words)
        said, _ = command.communicate(timeout=300)
        assert command.returncode == 0, said
        print(f"\n$ kanjo {' '.join(words)}\n{said}")  # noqa: T201 - what the page shows
        return said

    def order(self, command: str, site: str, reason: str) -> None:
        """Give an order, signed by both persons."""
        signed = [word for name in ("hanako", "taro") for word in ("--sign", f"{name}={self.keys}/{name}.key")]
        self.done("sites", command, site, "--reason", reason, *signed, "--desk", self.installed.at_desk("desk.json"))

    def _topology(self) -> Topology:
        host, ports, addresses = self.ground.host, iter(free_ports(40)), {}
        text = EXAMPLE.read_text("utf-8").replace("/etc/kanjo", f"{host}/etc")
        text = text.replace("/var/lib/kanjo", f"{host}/data")
        text = re.sub(r"port = \d+", lambda _: f"port = {next(ports)}", text)
        text = re.sub(
            r'host = "([^"]+)"',
            lambda found: f'host = "{addresses.setdefault(found[1], f"127.0.1.{len(addresses) + 1}")}"',
            text,
        )
        self.ground.folder.joinpath("installed", "desk").mkdir(parents=True)
        text = f"lab = true\n{text}"
        self.ground.folder.joinpath("installed", "desk", "sites.toml").write_text(text, "utf-8")
        found = read_topology(text)
        require_sound(found)
        return found


@pytest.fixture
def clouds() -> Iterator[Clouds]:
    with open_folder() as folder:
        found = Clouds(folder / "lab")
        try:
            yield found
        finally:
            end_all(found.ground)


def test_the_page_leads_to_answers_that_wait_for_the_other_cloud(clouds: Clouds) -> None:
    """Every step in the page's order; then an answer is given, held while the link is down, and given again."""
    clouds.prepare()
    desk, (a, b) = clouds.desk, clouds.topology.sites
    clouds.start("register", "link-a", "link-b", *(member.name for s in (a, b) for member in s.etcd))
    wait_until(lambda: look(desk).register is not None, "the register answers")
    clouds.order("appoint", "a", "bring-up: site b is not built")

    clouds.start("patroni-a1")
    wait_until(lambda: look(desk).sites[0].writes, "a1 takes writes")
    wait_until(lambda: _has_role(desk, a.replication_role), "Patroni's own roles")
    with desk.database(a.nodes[0]) as connection:
        for line in Path(clouds.installed.at_desk("roles.sql")).read_text("utf-8").splitlines()[1:]:
            connection.execute(line.encode())
    clouds.start("patroni-a2", "patroni-a3", "patroni-b1")
    wait_until(lambda: _streams(desk, "b1"), "b1 follows a1")
    clouds.start("patroni-b2", "haproxy-a", "haproxy-b")
    for node in ("a2", "a3", "b2"):
        wait_until(lambda node=node: _streams(desk, node), f"{node} follows")
    clouds.done("up")
    clouds.order("attach", "a", "bring-up: both sites stand")
    wait_until(lambda: look(desk).is_well, "both sites well")
    assert desk.register.read().mode == "required"
    clouds.done("sites", "status", "--desk", clouds.installed.at_desk("desk.json"))

    clouds.done("day", "open", "2026-08-25")
    clouds.stop("link-a")
    waits = clouds.kanjo("day", "open", "2026-08-26")
    wait_until(lambda: "no answer leaves" in look(desk).loss.why, "b is out of step")
    clouds.done("sites", "status", "--desk", clouds.installed.at_desk("desk.json"))
    assert waits.poll() is None
    clouds.start("link-a")
    said, _ = waits.communicate(timeout=120)
    assert waits.returncode == 0 and "2026-08-26" in said


def _has_role(desk: Desk, role: str) -> bool:
    with desk.database(desk.topology.sites[0].nodes[0]) as connection:
        return connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,)).rowcount == 1


def _streams(desk: Desk, name: str) -> bool:
    return any(node.name == name and node.state == "streaming" for node in look(desk).nodes)
