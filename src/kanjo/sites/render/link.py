"""What a link's end and the register read (docs/reference/link.md, register.md): JSON, from the topology."""

from __future__ import annotations

from typing import Any

import msgspec

from kanjo.sites.render.installed import Installed
from kanjo.sites.topology import Site, Topology

LEADER = "leader"
"""The one service across the link: whoever leads the other site, be it primary or standby leader."""


def link_file(topology: Topology, site: Site, installed: Installed) -> str:
    """The text of an end's configuration. Certificates bear the name of their end, `link-a`."""
    other = topology.other(site.name)
    nodes = [
        {"rest": f"http://{node.host}:{node.rest_port}", "address": f"{node.host}:{node.port}"} for node in site.nodes
    ]
    return _json(
        {
            "site": site.name,
            "listen": f"{site.link.host}:{site.link.peer_port}",
            "other": f"{other.link.host}:{other.link.peer_port}",
            "peer": link_name(other),
            "tls": {
                "authority": topology.link_authority,
                "certificate": site.link.certificate,
                "key": site.link.key,
            },
            "control": f"{installed.run}/{link_name(site)}.sock",
            "state": f"{installed.state}/{link_name(site)}.json",
            "entrances": [{"service": LEADER, "listen": f"{site.link.host}:{site.link.port}"}],
            "services": [{"type": "followed", "name": LEADER, "ask": "/leader", "nodes": nodes}],
        }
    )


def register_file(topology: Topology, installed: Installed) -> str:
    """The text of the register's configuration."""
    register = topology.register
    return _json(
        {
            "listen": f"{register.host}:{register.port}",
            "sites": [site.name for site in topology.sites],
            "folder": register.data,
            "persons": installed.persons,
            "tls": {
                "authority": topology.link_authority,
                "certificate": installed.of("register", "register.crt"),
                "key": installed.of("register", "register.key"),
            },
        }
    )


def link_name(site: Site) -> str:
    """An end's name: of its files, its certificate and its service."""
    return f"link-{site.name}"


def _json(content: dict[str, Any]) -> str:
    return msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n"
