"""All files of a topology: where each is written below the output folder, and where it goes on which host."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from kanjo.sites.render import systemd
from kanjo.sites.render.credentials import FILL_IN, environment_example, passfile_example
from kanjo.sites.render.etcd import etcd_file
from kanjo.sites.render.haproxy import haproxy_file
from kanjo.sites.render.installed import Installed
from kanjo.sites.render.link import link_file, link_name, register_file
from kanjo.sites.render.patroni import patroni_file
from kanjo.sites.topology import Site, Topology

UNITS = "/etc/systemd/system"


class File(msgspec.Struct, frozen=True):
    """A text, its path below the output folder, and its host and place there; `secret` ones are filled in there."""

    path: str
    host: str
    place: str
    text: str
    secret: bool = False


def rendered(topology: Topology, installed: Installed | None = None) -> tuple[File, ...]:
    """Every file, and a README that lists them; the topology must be sound."""
    found = installed or Installed()
    files = [file for site in topology.sites for file in _of_site(topology, site, found)]
    register = topology.register.host
    text = register_file(topology, found)
    files.append(File("register/register.json", register, found.of("register", "register.json"), text))
    files.append(_unit("register", register, "kanjo-register", systemd.register_unit(found)))
    return (File("README.md", "", "", _readme(topology, files, found)), *files)


def _of_site(topology: Topology, site: Site, installed: Installed) -> Iterator[File]:
    for node in site.nodes:
        at = f"{site.name}/{node.name}"
        yield File(
            f"{at}/patroni.yml",
            node.host,
            installed.of(node.name, "patroni.yml"),
            patroni_file(topology, site, node, installed),
        )
        yield _unit(at, node.host, f"kanjo-patroni-{node.name}", systemd.patroni_unit(site, node, installed))
        passfile = passfile_example(site, node, installed)
        yield File(f"{at}/pgpass.example", node.host, installed.of(node.name, "pgpass"), passfile, secret=True)
    for member in site.etcd:
        at = f"{site.name}/{member.name}"
        yield File(f"{at}/etcd.yml", member.host, installed.of(member.name, "etcd.yml"), etcd_file(site, member))
        yield _unit(at, member.host, f"kanjo-{member.name}", systemd.etcd_unit(site, member, installed))
    at, host = f"{site.name}/haproxy", site.haproxy.host
    yield File(f"{at}/haproxy.cfg", host, installed.of(f"haproxy-{site.name}", "haproxy.cfg"), haproxy_file(site))
    yield _unit(at, host, f"kanjo-haproxy-{site.name}", systemd.haproxy_unit(site, installed))
    at, host = f"{site.name}/link", site.link.host
    text = link_file(topology, site, installed)
    yield File(f"{at}/link.json", host, installed.of(link_name(site), "link.json"), text)
    yield _unit(at, host, f"kanjo-{link_name(site)}", systemd.link_unit(site, installed))
    every = ", ".join(dict.fromkeys(node.host for node in site.nodes))
    example = environment_example(site, installed)
    yield File(f"{site.name}/credentials.env.example", every, site.credentials, example, secret=True)


def _unit(at: str, host: str, name: str, text: str) -> File:
    return File(f"{at}/{name}.service", host, f"{UNITS}/{name}.service", text)


_README = """\
# What goes where

Written by `kanjo sites render` for {sites}. Every host also needs Kanjo with its extra `sites` behind
`{python}`, and its own certificate of the authority `{authority}` beside its files
(`kanjo sites certificates`): `NODE/NODE.crt` and `.key` for a node, the same for `register`,
and for an end of the link those that `sites.toml` names.

| File here | Host | Place there |
|---|---|---|
{rows}

Files ending in `.example` hold no password: fill in each `{fill_in}` on the host, store it under the place named above,
mode 0600. Each replication role has a password of its own; those of `{superuser}` and `{rewind}` are the database's,
and so the same at both sites.

`{data}` is owned by `{user}`, mode 0700, and the archive `{archive}` has a folder for each of {scopes}.

After a change of `sites.toml`, render again. What stands under `bootstrap.dcs` in a `patroni.yml` is read once, at the
first bring-up; later it is changed with `patronictl edit-config`.
"""


def _readme(topology: Topology, files: list[File], installed: Installed) -> str:
    rows = [f"| `{file.path}` | {file.host} | `{file.place}` |" for file in files]
    return _README.format(
        sites=" and ".join(f"site {site.name} ({site.cloud})" for site in topology.sites),
        python=installed.python,
        authority=topology.link_authority,
        rows="\n".join(rows),
        fill_in=FILL_IN,
        superuser=installed.superuser,
        rewind=installed.rewind_role,
        user=installed.user,
        data="` and the other folders of data under `".join(
            sorted({node.data.rsplit("/", 1)[0] for _, node in topology.nodes()})
        ),
        archive=topology.policy.archive,
        scopes=" and ".join(f"`{site.scope}`" for site in topology.sites),
    )
