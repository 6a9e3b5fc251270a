"""How a gate finds its facts: the register, the policy on this node, the other site's leader and nodes."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Protocol

import psycopg

from kanjo.sites.decision import Facts, Fork, asks_other_site
from kanjo.sites.identify import CONNECT_S, NoAnswer, identify
from kanjo.sites.identity import Identity, forks_in
from kanjo.sites.node_file import NodeFile, Peer, RegisterAddress
from kanjo.sites.policy import RemoteSync, policy_of
from kanjo.sites.register.state import RegisterState
from kanjo.sites.rest import OK, asked, object_in

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
    policy, site = own_policy(node), node.ours.site
    mode, heir = policy.mode, "" if policy.heir == node.name else policy.heir
    register = _register(node, silent)
    primaries = tuple(peer.name for peer in node.ours.peers if is_primary(peer)) if register is None else ()
    if not asks_other_site(site, mode, register):
        found = Facts(
            site=site,
            mode=mode,
            register=register,
            own=own_identity(node, silent) if heir else None,
            other_primaries=primaries,
            heir=heir,
            heir_timeline=policy.timeline,
        )
        return found, silent
    other = _identity(node.across, "other", silent)
    own = own_identity(node, silent)
    facts = Facts(
        site=site,
        mode=mode,
        register=register,
        own=own,
        rule=None if own is None else own_rule(node, silent),
        other=other,
        other_primaries=primaries,
        forks=() if own is None else own_forks(node, own.timeline),
    )
    return facts, silent


def own_policy(node: NodeFile) -> RemoteSync:
    """The policy as our Patroni's loop sees it, else as it is kept beside the data; required if there is none."""
    return policy_of(_asked_config(node) or _kept_config(node))


def own_forks(node: NodeFile, timeline: int) -> tuple[Fork, ...]:
    """The history of our server's timeline; none when it has no history or it cannot be read."""
    try:
        history = Path(node.data, "pg_wal", f"{timeline:08X}.history").read_text("utf-8")
        return tuple(Fork(*ended) for ended in forks_in(history))
    except (OSError, ValueError, IndexError):
        return ()


def own_rule(node: NodeFile, silent: dict[str, str]) -> str | None:
    """Whom our server would wait for as a primary; None when it does not answer, and why in `silent`."""
    address = node.here | {"user": node.superuser, "dbname": "postgres", "connect_timeout": CONNECT_S}
    try:
        with psycopg.connect(**address, autocommit=True) as connection:
            connection.execute("SET statement_timeout = '2s'")
            row = connection.execute("SELECT current_setting('synchronous_standby_names')").fetchone()
            return None if row is None else str(row[0])
    except psycopg.Error as error:
        silent["rule"] = str(error).strip()
        return None


def own_identity(node: NodeFile, silent: dict[str, str]) -> Identity | None:
    """Our own server; None when it does not answer, and why in `silent`."""
    return _identity(node.here | {"user": node.replication_role}, "own", silent)


def is_primary(peer: Peer) -> bool:
    """Whether a node of the other site says that it is primary; one that does not answer says nothing."""
    return asked(peer.host, peer.rest_port, "OPTIONS", "/primary", timeout_s=REST_S)[0] == OK


def _asked_config(node: NodeFile) -> dict[str, Any] | None:
    status, body = asked(node.rest_host, node.rest_port, "GET", "/config", timeout_s=REST_S)
    return object_in(body) if status == OK else None


def _kept_config(node: NodeFile) -> dict[str, Any] | None:
    try:
        return object_in(Path(node.data, "patroni.dynamic.json").read_bytes())
    except OSError:
        return None


def _register(node: NodeFile, silent: dict[str, str]) -> RegisterState | None:
    try:
        return reader_of(node.ours.register).read()
    except RegisterSilent as error:
        silent["register"] = str(error)
        return None


def _identity(address: dict[str, Any], whose: str, silent: dict[str, str]) -> Identity | None:
    try:
        return identify(address)
    except NoAnswer as error:
        silent[whose] = str(error)
        return None
