"""How a gate finds its facts: the register, the policy on this node, the other site's leader and nodes."""

from __future__ import annotations

import http.client
import importlib
import json
from pathlib import Path
from typing import Protocol

from kanjo.sites.decision import Facts, RegisterState, asks_other_site
from kanjo.sites.identify import NoAnswer, identify
from kanjo.sites.identity import Identity
from kanjo.sites.node_file import NodeFile, Peer, RegisterAddress
from kanjo.sites.policy import policy_of
from kanjo.sites.topology import Mode

REST_S = 2.0


class RegisterSilent(Exception):
    """The register could not be reached or its answer could not be trusted; the text says which."""


class RegisterReader(Protocol):
    """Reads the register; within a few seconds, and raises RegisterSilent otherwise."""

    def read(self) -> RegisterState:
        """What it says now, its signature verified."""
        ...


def reader_of(address: RegisterAddress) -> RegisterReader:
    """The reader that the node's file names as `module:function`; it is called with the address."""
    module, _, name = address.reader.partition(":")
    try:
        found: RegisterReader = getattr(importlib.import_module(module), name)(address)
    except (ImportError, AttributeError, OSError, ValueError) as error:
        raise RegisterSilent(f"no reader {address.reader}: {error}") from error
    return found


def gather(node: NodeFile) -> tuple[Facts, dict[str, str]]:
    """The facts as they are now, and why some are missing."""
    silent: dict[str, str] = {}
    mode, site = own_mode(node), node.ours.site
    register = _register(node, silent)
    primaries = tuple(peer.name for peer in node.ours.peers if is_primary(peer)) if register is None else ()
    if not asks_other_site(site, mode, register):
        return Facts(site=site, mode=mode, register=register, own=None, other_primaries=primaries), silent
    other = _identity(node.across, "other", silent)
    own = _identity(node.here | {"user": node.replication_role}, "own", silent)
    return Facts(site=site, mode=mode, register=register, own=own, other=other, other_primaries=primaries), silent


def own_mode(node: NodeFile) -> Mode:
    """The site's policy as Patroni keeps it beside the data; required when there is none that can be read."""
    try:
        kept = json.loads(Path(node.data, "patroni.dynamic.json").read_text("utf-8"))
    except (OSError, ValueError):
        kept = None
    return policy_of(kept if isinstance(kept, dict) else None).mode


def is_primary(peer: Peer) -> bool:
    """Whether a node of the other site says that it is primary; one that does not answer says nothing."""
    connection = http.client.HTTPConnection(peer.host, peer.rest_port, timeout=REST_S)
    try:
        connection.request("OPTIONS", "/primary")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _register(node: NodeFile, silent: dict[str, str]) -> RegisterState | None:
    try:
        return reader_of(node.ours.register).read()
    except RegisterSilent as error:
        silent["register"] = str(error)
        return None


def _identity(address: dict[str, object], whose: str, silent: dict[str, str]) -> Identity | None:
    try:
        return identify(address)
    except NoAnswer as error:
        silent[whose] = str(error)
        return None
