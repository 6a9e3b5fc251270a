"""A lab's files: a topology on free ports, then everything that its hosts and the operator's desk need."""

from __future__ import annotations

import secrets
import shutil
import socket
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from kanjo.sites import Site, Topology, read_topology, require_sound
from kanjo.sites.certificates import issue, make_authority
from kanjo.sites.lab.ground import Ground, Made, hand_over, prepared, write_record, write_secret
from kanjo.sites.mutual_tls import credentials_in
from kanjo.sites.operate.desk import DeskFile
from kanjo.sites.person import make_person
from kanjo.sites.render import Installed, link_name, rendered
from kanjo.sites.render.credentials import environment_example, filled_in, pass_line

PERSONS = ("hanako", "taro")
"""Two persons, for two signatures. Their keys lie side by side, which is why a lab is only a lab."""
BANK = "kanjo"
"""The database, and the role that owns it."""
SUPERUSER = "postgres"
HOST = "127.0.0.1"
SITES = {"a": ("one", 3), "b": ("another", 2)}
VOTES = 3

PARAMETERS = {
    "shared_buffers": "32MB",
    "max_connections": "60",
    "io_method": "sync",
    "wal_keep_size": "256MB",
    "max_slot_wal_keep_size": "1GB",
    "min_wal_size": "48MB",
    "max_wal_size": "512MB",
    "autovacuum_max_workers": "2",
    "unix_socket_directories": "",
}
"""Five servers in little memory; nothing that safety hangs on."""


def make(ground: Ground) -> Made:
    """Make a lab's files where none is."""
    roles = [SUPERUSER, "repl_a", "repl_b", "rewind", "operator", BANK]
    made = prepared(ground, {role: secrets.token_urlsafe(18) for role in roles})
    ground.topology.write_text(_topology_text(ground), "utf-8")
    topology = read_topology(ground.topology.read_text("utf-8"))
    require_sound(topology)
    _keys(ground, topology)
    _configurations(ground, topology, made)
    _desk(ground, topology, made)
    hand_over(ground, made.account)
    write_record(ground, made)
    return made


def installed(ground: Ground, made: Made) -> Installed:
    """Where things are on this machine."""
    return Installed(
        python=" ".join(made.python),
        folder=str(ground.host / "etc"),
        run=str(ground.host / "run"),
        state=str(ground.host / "state"),
        persons=str(ground.persons),
        user=made.user,
        postgresql_bin=made.postgresql_bin,
        etcd=made.etcd,
        haproxy=made.haproxy or "haproxy",
        watchdog="off",
        superuser=SUPERUSER,
        parameters=PARAMETERS,
    )


def clear(ground: Ground) -> None:
    """Take away what a lab was; the copy of PostgreSQL's programs and the locks stay."""
    for path in (ground.host, ground.keys, ground.persons, ground.tls):
        shutil.rmtree(path, ignore_errors=True)
    for path in (ground.record, ground.topology, ground.desk, ground.keep, ground.folder / "pgpass"):
        path.unlink(missing_ok=True)


def clear_data(ground: Ground) -> None:
    """Give the room back that databases and quorums took; files and logs stay to be read."""
    for place in ("data", "etcd"):
        shutil.rmtree(ground.host / place, ignore_errors=True)


def _topology_text(ground: Ground) -> str:
    host, ports = ground.host, iter(free_ports(40))
    lines = [
        'operating = "a"\nlab = true\n',
        '[policy]\nmode = "required"\nttl_s = 8\nloop_wait_s = 1\nretry_timeout_s = 3\n',
        f'[register]\nhost = "{HOST}"\nport = {next(ports)}\ndata = "{host}/register"\n',
        f'[link]\nauthority = "{host}/tls/authority.crt"\n',
    ]
    for name, (cloud, node_count) in SITES.items():
        lines += [
            f'[sites.{name}]\ncloud = "{cloud}"\nscope = "cloud-{name}"\nnamespace = "/kanjo-{name}/"',
            f'replication_role = "repl_{name}"\ncredentials = "{host}/etc/credentials-{name}.env"\n',
            f"[sites.{name}.nodes]",
        ]
        for node in (f"{name}{number}" for number in range(1, node_count + 1)):
            place = f'data = "{host}/data/{node}"'
            lines.append(f'{node} = {{ host = "{HOST}", port = {next(ports)}, rest_port = {next(ports)}, {place} }}')
        lines.append(f"\n[sites.{name}.etcd]")
        for member in (f"etcd-{name}{number}" for number in range(1, VOTES + 1)):
            place = f'data = "{host}/etcd/{member}"'
            two = f"client_port = {next(ports)}, peer_port = {next(ports)}"
            lines.append(f'{member} = {{ host = "{HOST}", {two}, {place} }}')
        lines += [
            f'\n[sites.{name}.link]\nhost = "{HOST}"\nport = {next(ports)}\npeer_port = {next(ports)}',
            f'certificate = "{host}/tls/link-{name}.crt"\nkey = "{host}/tls/link-{name}.key"\n',
            f'[sites.{name}.haproxy]\nhost = "{HOST}"\nport = {next(ports)}\n',
        ]
    return "\n".join(lines)


def free_ports(count: int) -> list[int]:
    """Ports that nobody has now; all are held until the last is found, so that they differ."""
    with ExitStack() as held:
        found = []
        for _ in range(count):
            probe = held.enter_context(socket.socket())
            probe.bind((HOST, 0))
            found.append(int(probe.getsockname()[1]))
        return found


def _keys(ground: Ground, topology: Topology) -> None:
    now, authority, etc = datetime.now(UTC), ground.tls / "authority", ground.host / "etc"
    make_authority(authority, now=now)
    issue(authority, "operator", into=ground.tls, now=now)
    for site in topology.sites:
        issue(authority, link_name(site), into=ground.host / "tls", now=now)
    for name in ("register", *(node.name for _, node in topology.nodes())):
        issue(authority, name, into=etc / name, now=now)
    ground.persons.mkdir()
    ground.persons.chmod(0o755)
    for person in PERSONS:
        make_person(ground.keys, person)
        public = ground.persons / f"{person}.pub"
        shutil.move(ground.keys / public.name, public)
        public.chmod(0o644)
    ground.keys.chmod(0o700)


def _configurations(ground: Ground, topology: Topology, made: Made) -> None:
    """As `kanjo sites render` writes them; the secret ones are filled in."""
    for file in rendered(topology, installed(ground, made)):
        place = Path(file.place)
        if not place.is_relative_to(ground.host):
            continue  # the desk of a lab is its own
        place.parent.mkdir(parents=True, exist_ok=True)
        if file.secret:
            write_secret(place, filled_in(file.text, made.passwords))
        else:
            place.write_text(file.text, "utf-8")


def _desk(ground: Ground, topology: Topology, made: Made) -> None:
    roles = tuple(site.replication_role for site in topology.sites)
    lines = [
        pass_line(f"{node.host}:{node.port}", role)
        for _, node in topology.nodes()
        for role in (SUPERUSER, BANK, *roles)
    ]
    for site in topology.sites:
        lines.append(pass_line(f"{site.haproxy.host}:{site.haproxy.port}", BANK))
        lines += [pass_line(f"{site.link.host}:{site.link.port}", role) for role in roles]
    write_secret(ground.folder / "pgpass", filled_in("\n".join(lines) + "\n", made.passwords))
    write_secret(ground.tls / "rest.password", made.passwords["operator"])
    desk = DeskFile(
        topology=str(ground.topology),
        register=credentials_in(ground.tls, "operator"),
        links={site.name: f"{ground.host}/run/{link_name(site)}.sock" for site in topology.sites},
        persons=str(ground.persons),
        rest_user="operator",
        rest_password=str(ground.tls / "rest.password"),
        database_user=SUPERUSER,
        passfile=str(ground.folder / "pgpass"),
    )
    write_secret(ground.desk, msgspec.json.format(msgspec.json.encode(desk)).decode())


def environment(ground: Ground, site: Site, made: Made) -> dict[str, str]:
    """What a node's Patroni finds in its environment, where systemd puts it; it keeps it from its children."""
    text = filled_in(environment_example(site, installed(ground, made)), made.passwords)
    return dict(line.split("=", 1) for line in text.splitlines() if not line.startswith("#"))
