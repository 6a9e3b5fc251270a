"""All files of a topology: where each is written below the output folder, and where it goes on which host."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from kanjo.sites.render import systemd
from kanjo.sites.render.credentials import environment_example, passfile_example
from kanjo.sites.render.desk import DESK, desk_file, desk_passfile_example, rest_password_example, roles_example
from kanjo.sites.render.etcd import etcd_file
from kanjo.sites.render.haproxy import haproxy_file
from kanjo.sites.render.installed import Installed
from kanjo.sites.render.link import link_file, link_name, register_file
from kanjo.sites.render.patroni import patroni_file
from kanjo.sites.topology import Site, Topology

UNITS = "/etc/systemd/system"


class File(msgspec.Struct, frozen=True):
    """A text, its path below the output folder, and its hosts and place there.

    A `secret` one is an example: filled in, it stands under its path without the ending.
    """

    path: str
    hosts: tuple[str, ...]
    place: str
    text: str
    secret: bool = False
    owner: str = "root"


def rendered(topology: Topology, installed: Installed | None = None) -> tuple[File, ...]:
    """Every file, and a README that lists them; the topology must be sound."""
    found = installed or Installed()
    files = [file for site in topology.sites for file in _of_site(topology, site, found)]
    register = topology.register.host
    text = register_file(topology, found)
    files.append(File("register/register.json", (register,), found.of("register", "register.json"), text))
    files.append(_unit("register", register, "kanjo-register", systemd.register_unit(found)))
    files += _of_desk(topology, found)
    return (File("README.md", (), "", _readme(topology, files)), *files)


def _of_site(topology: Topology, site: Site, installed: Installed) -> Iterator[File]:
    for node in site.nodes:
        at, host = f"{site.name}/{node.name}", node.host
        text = patroni_file(topology, site, node, installed)
        yield File(f"{at}/patroni.yml", (host,), installed.of(node.name, "patroni.yml"), text)
        yield _unit(at, host, f"kanjo-patroni-{node.name}", systemd.patroni_unit(site, node, installed))
        passfile, place = passfile_example(site, node, installed), installed.of(node.name, "pgpass")
        yield File(f"{at}/pgpass.example", (host,), place, passfile, secret=True, owner=installed.user)
    for member in site.etcd:
        at, place = f"{site.name}/{member.name}", installed.of(member.name, "etcd.yml")
        yield File(f"{at}/etcd.yml", (member.host,), place, etcd_file(site, member))
        yield _unit(at, member.host, f"kanjo-{member.name}", systemd.etcd_unit(site, member, installed))
    at, host = f"{site.name}/haproxy", site.haproxy.host
    yield File(f"{at}/haproxy.cfg", (host,), installed.of(f"haproxy-{site.name}", "haproxy.cfg"), haproxy_file(site))
    yield _unit(at, host, f"kanjo-haproxy-{site.name}", systemd.haproxy_unit(site, installed))
    at, host = f"{site.name}/link", site.link.host
    text = link_file(topology, site, installed)
    yield File(f"{at}/link.json", (host,), installed.of(link_name(site), "link.json"), text)
    yield _unit(at, host, f"kanjo-{link_name(site)}", systemd.link_unit(site, installed))
    every = tuple(dict.fromkeys(node.host for node in site.nodes))
    example = environment_example(site, installed)
    yield File(f"{site.name}/credentials.env.example", every, site.credentials, example, secret=True)


def _of_desk(topology: Topology, installed: Installed) -> Iterator[File]:
    yield File(f"{DESK}/desk.json", (DESK,), installed.at_desk("desk.json"), desk_file(topology, installed))
    for name, text in (
        ("pgpass", desk_passfile_example(topology, installed)),
        ("rest.password", rest_password_example()),
        ("roles.sql", roles_example(topology)),
    ):
        yield File(f"{DESK}/{name}.example", (DESK,), installed.at_desk(name), text, secret=True)


def _unit(at: str, host: str, name: str, text: str) -> File:
    return File(f"{at}/{name}.service", (host,), f"{UNITS}/{name}.service", text)


_README = """\
# What goes where

Written by `kanjo sites render` for {sites}; docs/how-to/two-clouds.md goes on from here.

| File here | Host | Place there | Owner |
|---|---|---|---|
{rows}

Files ending in `.example` hold no password: each is filled in, a password for every `CHANGE-ME-ROLE`, and kept beside
itself without the ending. Each role has one password everywhere. `kanjo sites certificates` adds certificates, and
`kanjo sites pack` makes an archive for each host, with owners and modes, of all that belongs there and nothing else.

After a change of `sites.toml`, render again. What stands under `bootstrap.dcs` in a `patroni.yml` is read once, at the
first bring-up; later it is changed with `patronictl edit-config`.
"""


def _readme(topology: Topology, files: list[File]) -> str:
    rows = [f"| `{file.path}` | {', '.join(file.hosts)} | `{file.place}` | {file.owner} |" for file in files]
    return _README.format(
        sites=" and ".join(f"site {site.name} ({site.cloud})" for site in topology.sites),
        rows="\n".join(rows),
    )
