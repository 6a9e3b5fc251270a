"""What lies on which host once everything is there: rendered files, certificates and keys, and folders for data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Literal

import msgspec

from kanjo.sites.render.desk import DESK
from kanjo.sites.render.files import rendered
from kanjo.sites.render.installed import Installed
from kanjo.sites.render.link import link_name
from kanjo.sites.topology import Topology

ROOT = "root"
PERSONS = "persons"
"""The folder below the output folder into which everybody's public key is laid."""


TOPOLOGY = f"{DESK}/sites.toml"
"""The topology itself, which the desk reads."""


class Party(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody with a certificate: the folder below the output folder, the host, and both files' places there."""

    name: str
    folder: str
    host: str
    certificate: str
    key: str
    authority: str
    owner: str


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """A thing of a host. `source` is its path below the output folder; `persons` are all public keys of one.

    `filled_in`: it was made by hand of an example, and must hold no sign of that any more.
    """

    kind: Literal["file", "persons", "folder"]
    place: str
    owner: str
    mode: int
    source: str = ""
    filled_in: bool = False


def parties(topology: Topology, installed: Installed) -> Iterator[Party]:
    """Each node, each end of the link, the register and the operator, under the names that their files expect."""

    def kept(name: str, folder: str, host: str) -> Party:
        return Party(
            name=name,
            folder=folder,
            host=host,
            certificate=installed.of(name, f"{name}.crt"),
            key=installed.of(name, f"{name}.key"),
            authority=topology.link_authority,
            owner=installed.user,
        )

    for site, node in topology.nodes():
        yield kept(node.name, f"{site.name}/{node.name}", node.host)
    for site in topology.sites:
        end = kept(link_name(site), f"{site.name}/link", site.link.host)
        yield msgspec.structs.replace(end, certificate=site.link.certificate, key=site.link.key)
    yield kept("register", "register", topology.register.host)
    yield Party(
        name="operator",
        folder=DESK,
        host=DESK,
        certificate=installed.at_desk("operator.crt"),
        key=installed.at_desk("operator.key"),
        authority=installed.at_desk("authority.crt"),
        owner=ROOT,
    )


def hosts(topology: Topology, installed: Installed) -> dict[str, tuple[Placed, ...]]:
    """Everything by host; a thing that two services of one host need is there once."""
    found: dict[str, dict[str, Placed]] = {}
    for host, placed in (*_folders(topology, installed), *_files(topology, installed)):
        found.setdefault(host, {}).setdefault(placed.place, placed)
    return {host: tuple(by_place.values()) for host, by_place in found.items()}


def _files(topology: Topology, installed: Installed) -> Iterator[tuple[str, Placed]]:
    for file in rendered(topology, installed):
        placed = Placed(
            kind="file",
            place=file.place,
            owner=file.owner,
            mode=0o600 if file.secret else 0o644,
            source=file.path.removesuffix(".example"),
            filled_in=file.secret,
        )
        yield from ((host, placed) for host in file.hosts)
    yield DESK, Placed(kind="file", place=installed.at_desk("sites.toml"), owner=ROOT, mode=0o644, source=TOPOLOGY)
    for party in parties(topology, installed):
        below = f"{party.folder}/{party.name}"
        for place, mode, source in (
            (party.authority, 0o644, f"{party.folder}/authority.crt"),
            (party.certificate, 0o644, f"{below}.crt"),
            (party.key, 0o600, f"{below}.key"),
        ):
            yield party.host, Placed(kind="file", place=place, owner=party.owner, mode=mode, source=source)
    for host, place in ((topology.register.host, installed.persons), (DESK, installed.at_desk(PERSONS))):
        yield host, Placed(kind="persons", place=place, owner=ROOT, mode=0o644, source=PERSONS)


def _folders(topology: Topology, installed: Installed) -> Iterator[tuple[str, Placed]]:
    """Those that services write into. Patroni also writes beside its data, so the folder around it is its user's."""
    register = topology.register
    places = [(register.host, _around(register.data))]
    for site in topology.sites:
        places += [(node.host, _around(node.data)) for node in site.nodes]
        places += [(member.host, _around(member.data)) for member in site.etcd]
        places.append((site.link.host, installed.state))
    for host, place in places:
        yield host, Placed(kind="folder", place=place, owner=installed.user, mode=0o700)
    yield DESK, Placed(kind="folder", place=installed.desk, owner=ROOT, mode=0o700)


def _around(data: str) -> str:
    return str(PurePosixPath(data).parent)
