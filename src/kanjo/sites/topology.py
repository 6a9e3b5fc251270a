"""A topology: two sites in two clouds, the link between them and the register apart from both, as frozen values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, TypeAlias

import msgspec

Mode: TypeAlias = Literal["required", "detached"]
"""Whether an answer waits for the other site (R6), or somebody decided, with a reason, that it does not (R9)."""


class Node(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A PostgreSQL server under Patroni. A node of `failover_priority` 0 is never promoted."""

    name: str
    host: str
    port: int
    rest_port: int
    data: str
    failover_priority: int = 1


class EtcdMember(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One vote of a site's own quorum (R4)."""

    name: str
    host: str
    client_port: int
    peer_port: int
    data: str


class LinkEnd(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The end of the link that stands in a site.

    `port` leads this site's nodes to the other site's leader; at `peer_port` the other end arrives, over mutual TLS.
    """

    host: str
    port: int
    peer_port: int
    certificate: str
    key: str


class Balancer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """HAProxy of a site: where its clients find the primary."""

    host: str
    port: int


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """One cloud's share: its nodes, its quorum, its end of the link. `credentials`: a file on its hosts."""

    name: str
    cloud: str
    scope: str
    namespace: str
    replication_role: str
    credentials: str
    nodes: tuple[Node, ...]
    etcd: tuple[EtcdMember, ...]
    link: LinkEnd
    haproxy: Balancer

    @property
    def slot(self) -> str:
        """The replication slot that the *other* site keeps for this one: one, so that one node streams (pitfall 12)."""
        return slot_name(self.scope)

    @property
    def node_names(self) -> tuple[str, ...]:
        """As they stand in the other site's names rule."""
        return tuple(node.name for node in self.nodes)

    @property
    def hosts(self) -> frozenset[str]:
        """Every machine of the site."""
        machines = [node.host for node in self.nodes] + [member.host for member in self.etcd]
        return frozenset([*machines, self.link.host, self.haproxy.host])


class Register(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The record of which site works, in a third place (pitfall 16)."""

    host: str
    port: int
    data: str


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What both sites agree on. `mode` is the one set at the end of bring-up.

    `log_kept_gib_max`: so much log is kept for a site that is away; beyond it the site is copied anew when it is back.
    `certificate_days_min`: one that is valid for fewer days is warned of.
    """

    mode: Mode
    ttl_s: int
    loop_wait_s: int
    retry_timeout_s: int
    log_kept_gib_max: int = 64
    certificate_days_min: int = 30


class Topology(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of it. In a `lab` all hosts may be one; ports, names and directories may not."""

    operating: str
    sites: tuple[Site, ...]
    link_authority: str
    register: Register
    policy: Policy
    lab: bool = False

    def site(self, name: str) -> Site:
        """The site of that name; KeyError when there is none."""
        for site in self.sites:
            if site.name == name:
                return site
        raise KeyError(name)

    def other(self, name: str) -> Site:
        """The site across the link from that one; it must be one of two."""
        [other] = [site for site in self.sites if site.name != name]
        return other

    def nodes(self) -> Iterator[tuple[Site, Node]]:
        """Every node with its site."""
        return ((site, node) for site in self.sites for node in site.nodes)


def slot_name(name: str) -> str:
    """A name as PostgreSQL allows it for a replication slot; Patroni derives members' slots in the same way."""
    return re.sub(r"[^a-z0-9_]", "_", name.lower())
