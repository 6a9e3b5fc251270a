"""What launcher and gate need of a node's `patroni.yml`: Patroni's own keys, and ours beside them under `kanjo`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from kanjo.errors import WrongUsage


class Peer(msgspec.Struct, frozen=True):
    """A node of the other site, asked by Patroni's REST whether it is primary."""

    name: str
    host: str
    rest_port: int


class Link(msgspec.Struct, frozen=True):
    """Our end of the link: connections to it reach the other site's leader."""

    host: str
    port: int


class RegisterAddress(msgspec.Struct, frozen=True, kw_only=True):
    """Where the register is; `reader` names the function that makes a `RegisterReader` of this address."""

    host: str
    port: int
    authority: str
    certificate: str = ""
    key: str = ""
    reader: str


class OurKeys(msgspec.Struct, frozen=True, kw_only=True):
    """The section `kanjo` of patroni.yml. `passfile` is libpq's, readable by the server's user alone."""

    site: str
    link: Link
    peers: tuple[Peer, ...]
    passfile: str
    register: RegisterAddress


class NodeFile(msgspec.Struct, frozen=True, kw_only=True):
    """A node as its launcher and its gate see it."""

    name: str
    data: str
    host: str
    port: int
    rest_host: str
    rest_port: int
    superuser: str
    replication_role: str
    ours: OurKeys

    @property
    def across(self) -> dict[str, Any]:
        """libpq's keywords for the other site's leader, seen through our end of the link."""
        ours = self.ours
        return {
            "host": ours.link.host,
            "port": ours.link.port,
            "user": self.replication_role,
            "passfile": ours.passfile,
        }

    @property
    def here(self) -> dict[str, Any]:
        """libpq's keywords for our own server, without the user."""
        return {"host": self.host, "port": self.port, "passfile": self.ours.passfile}


def read_node_file(file: Path) -> NodeFile:
    """Errors: WrongUsage `node-file-invalid`, naming what is missing or wrong."""
    import yaml

    try:
        content = yaml.safe_load(file.read_text("utf-8"))
        postgresql = content["postgresql"]
        host, port = str(postgresql["connect_address"]).rsplit(":", 1)
        rest_host, rest_port = str(content["restapi"]["connect_address"]).rsplit(":", 1)
        return NodeFile(
            name=content["name"],
            data=postgresql["data_dir"],
            host=host,
            port=int(port),
            rest_host=rest_host,
            rest_port=int(rest_port),
            superuser=postgresql["authentication"]["superuser"]["username"],
            replication_role=postgresql["authentication"]["replication"]["username"],
            ours=msgspec.convert(content["kanjo"], OurKeys),
        )
    except KeyError as error:
        raise WrongUsage("node-file-invalid", f"{file} lacks {error.args[0]!r}", file=str(file)) from error
    except (OSError, TypeError, ValueError, yaml.YAMLError) as error:
        raise WrongUsage("node-file-invalid", f"{file} is no node's patroni.yml: {error}", file=str(file)) from error
