"""The administrator's terminal (管理者端末): where the topology, the register, both link ends and the passwords are."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from kanjo.errors import SystemFailed
from kanjo.sites.json_file import read_json_file
from kanjo.sites.link.control import LinkControl
from kanjo.sites.mutual_tls import Credentials, Validity
from kanjo.sites.person import read_persons
from kanjo.sites.register.client import RegisterClient
from kanjo.sites.rest import OK, SILENT, asked, object_in
from kanjo.sites.topology import EtcdMember, Node, Site, Topology
from kanjo.sites.topology_file import read_topology_file
from kanjo.sites.validity import validities

REST_S = 3.0
CONNECT_S = 2


class DeskFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`desk.json` (docs/reference/desk.md): paths, and the users under whom the databases and Patroni are asked.

    `persons`: the folder of public keys; `links`: the control socket of each site's end; `rest_password`: a file;
    `passfile`: libpq's.
    """

    topology: str
    register: Credentials
    links: dict[str, str]
    persons: str
    rest_user: str
    rest_password: str
    database_user: str
    passfile: str


class Desk:
    """Asks both sites and the register; each question is bounded in time, and silence is an answer too."""

    def __init__(self, file: DeskFile) -> None:
        self._file = file
        self.topology: Topology = read_topology_file(Path(file.topology))
        register = self.topology.register
        self.register = RegisterClient(f"{register.host}:{register.port}", file.register)

    def link(self, site: str) -> LinkControl:
        """That site's end of the link."""
        return LinkControl(Path(self._file.links[site]))

    def certificates(self) -> tuple[Validity, ...]:
        """The operator's, and the authority that the desk trusts."""
        return validities(self._file.register)

    def persons(self) -> dict[str, str]:
        """Everybody who may sign. Error: `persons-unreadable`."""
        return read_persons(Path(self._file.persons))

    def ask(self, node: Node, path: str) -> dict[str, Any] | None:
        """What a node's Patroni says, whatever its status; None when it says nothing."""
        return object_in(self._rest(node, "GET", path)[1])

    def leads(self, node: Node) -> bool:
        """Whether the node holds its site's lock, as primary or as leader of a standby."""
        return self._rest(node, "GET", "/leader")[0] == OK

    def votes(self, member: EtcdMember) -> bool:
        """Whether a member of a quorum answers; one that has lost the others says so, which is an answer too."""
        return asked(member.host, member.client_port, "GET", "/health", timeout_s=REST_S)[0] != SILENT

    def leader(self, site: Site) -> Node | None:
        """The node that leads a site, if one does."""
        return next((node for node in site.nodes if self.leads(node)), None)

    def dynamic(self, site: Site) -> dict[str, Any] | None:
        """A site's dynamic configuration, from whichever node answers."""
        return next((found for node in site.nodes if (found := self.configuration(node)) is not None), None)

    def configuration(self, node: Node) -> dict[str, Any] | None:
        """Its site's dynamic configuration, as this node says it."""
        status, body = self._rest(node, "GET", "/config")
        return object_in(body) if status == OK else None

    def configure(self, site: Site, change: Mapping[str, Any]) -> None:
        """Change a site's dynamic configuration; a value of None removes its key. Error: `site-unreachable`."""
        for node in site.nodes:
            status, _ = self._rest(node, "PATCH", "/config", json.dumps(change).encode())
            if status == OK:
                return
        raise SystemFailed(
            "site-unreachable",
            f"No node of site {site.name} takes a change of its configuration: is its quorum there?",
            site=site.name,
        )

    @contextmanager
    def database(self, node: Node, name: str = "postgres") -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """A session of the administrator on a node. Raises psycopg.Error."""
        with psycopg.connect(
            host=node.host,
            port=node.port,
            dbname=name,
            user=self._file.database_user,
            passfile=self._file.passfile,
            connect_timeout=CONNECT_S,
            application_name="kanjo sites",
            autocommit=True,
        ) as connection:
            yield connection

    def _rest(self, node: Node, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """Status and body; also silent when the operator's own word cannot be read."""
        try:
            headers = {"Content-Type": "application/json"}
            if body is not None:
                word = Path(self._file.rest_password).read_text("utf-8").strip()
                pair = base64.b64encode(f"{self._file.rest_user}:{word}".encode()).decode()
                headers["Authorization"] = f"Basic {pair}"
        except OSError:
            return SILENT, b""
        return asked(node.host, node.rest_port, method, path, body, headers, timeout_s=REST_S)


def read_desk(path: Path) -> Desk:
    """The desk of a file. Errors: `bad-config`, and those of the topology's file."""
    return Desk(read_json_file(path, DeskFile))
