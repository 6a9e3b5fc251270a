"""How an end is set up: a JSON file (docs/reference/link.md)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from kanjo.sites.json_file import bad_config, read_json_file
from kanjo.sites.mutual_tls import Credentials

NAME_CHARACTERS_MAX = 63


class Node(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A database node of this site: its Patroni's REST URL and its PostgreSQL's HOST:PORT."""

    rest: str
    address: str


class Followed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="followed"):
    """A service of this site that moves: the one node whose Patroni answers 200 to `ask`."""

    name: str
    ask: Literal["/primary", "/leader", "/standby-leader"]
    nodes: tuple[Node, ...]


class Fixed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="fixed"):
    """A service of this site that stays where it is, such as a node's REST."""

    name: str
    address: str


class Entrance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where this site's own processes reach a service of the other site: plain TCP, on the loopback."""

    service: str
    listen: str


class EndConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One end. `listen` takes the other end's TLS, `other` is where that one listens, `peer` its certificate's name.

    `control` is a Unix socket, `state` the file of the valve; `delay_ms` holds until somebody says another.
    """

    site: str
    listen: str
    other: str
    peer: str
    tls: Credentials
    control: str
    state: str
    entrances: tuple[Entrance, ...] = ()
    services: tuple[Followed | Fixed, ...] = ()
    delay_ms: int = 0
    ask_every_ms: int = 500
    ask_timeout_ms: int = 2000
    connection_count_max: int = 256


def read_config(path: Path) -> EndConfig:
    """The configuration of an end. Error: `bad-config`."""
    config = read_json_file(path, EndConfig)
    for complaint in _complaints(config):
        raise bad_config(path, complaint)
    return config


def host_port(address: str) -> tuple[str, int]:
    """The two parts of HOST:PORT."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _complaints(config: EndConfig) -> Iterator[str]:
    addresses = [config.listen, config.other, *(entrance.listen for entrance in config.entrances)]
    for service in config.services:
        if not 0 < len(service.name) <= NAME_CHARACTERS_MAX or not service.name.isprintable() or " " in service.name:
            yield f"{service.name!r} is no name of a service"
        addresses += [service.address] if isinstance(service, Fixed) else [node.address for node in service.nodes]
        if isinstance(service, Followed):
            addresses += [node.rest.partition("://")[2] for node in service.nodes]
            if any(not node.rest.startswith(("http://", "https://")) for node in service.nodes):
                yield f"a node of {service.name} has no REST URL that begins with http:// or https://"
    for address in addresses:
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit() or int(port) > 65535:
            yield f"{address!r} is not HOST:PORT"
    if len({service.name for service in config.services}) < len(config.services):
        yield "two services have one name"
    if min(config.ask_every_ms, config.ask_timeout_ms, config.connection_count_max) <= 0 or config.delay_ms < 0:
        yield "a time or a limit is not positive"
