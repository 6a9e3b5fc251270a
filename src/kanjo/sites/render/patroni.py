"""A node's `patroni.yml` (multicloud.md 3.3): Patroni's local file, with what launcher and gate need under `kanjo`."""

from __future__ import annotations

import re
from typing import Any

import yaml

from kanjo.sites.render.dynamic import dynamic
from kanjo.sites.render.installed import Installed
from kanjo.sites.topology import Node, Policy, Site, Topology

_NUMERIC = re.compile(r"\d+\.\d+\.\d+\.\d+")


def patroni_file(topology: Topology, site: Site, node: Node, installed: Installed) -> str:
    """The text of it. Passwords come from the environment, `EnvironmentFile` in the unit, and from a libpq passfile."""
    content = {
        "scope": site.scope,
        "namespace": site.namespace,
        "name": node.name,
        "restapi": {
            "listen": f"{node.host}:{node.rest_port}",
            "connect_address": f"{node.host}:{node.rest_port}",
        },
        "etcd3": {"hosts": [f"{member.host}:{member.client_port}" for member in site.etcd]},
        "bootstrap": {
            "dcs": dynamic(topology, site, installed),
            "initdb": [
                "data-checksums",
                {"encoding": "UTF8"},
                {"locale": "C"},
                {"locale-provider": "builtin"},
                {"builtin-locale": "C.UTF-8"},
            ],
        },
        "postgresql": _postgresql(topology, site, node, installed),
        "watchdog": {
            "mode": installed.watchdog,
            "device": "/dev/watchdog",
            "safety_margin": safety_margin_s(topology.policy),
        },
        "tags": {"failover_priority": node.failover_priority},
        "kanjo": _ours(topology, site, node, installed),
    }
    head = f"# {node.name} of site {site.name}: written by `kanjo sites render`; change sites.toml and render again.\n"
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000)
    return head + text


def safety_margin_s(policy: Policy) -> int:
    """How long before its lease ends a host whose Patroni hangs is reset: when that should have stopped by its rule."""
    return max(1, policy.ttl_s - policy.loop_wait_s - 2 * policy.retry_timeout_s)


def _postgresql(topology: Topology, site: Site, node: Node, installed: Installed) -> dict[str, Any]:
    return {
        "listen": f"{node.host}:{node.port}",
        "connect_address": f"{node.host}:{node.port}",
        "data_dir": node.data,
        "bin_dir": installed.postgresql_bin,
        "pgpass": f"{node.data}.pgpass",  # Patroni writes it
        "use_unix_socket": False,
        "basebackup": [{"checkpoint": "fast"}],  # a spread one would hold up every rebuild for minutes
        "authentication": {
            "superuser": {"username": installed.superuser},
            "replication": {"username": site.replication_role},
            "rewind": {"username": installed.rewind_role},
        },
        "pre_promote": f"{installed.python} -m kanjo.sites.gate {installed.of(node.name, 'patroni.yml')}",
        "pg_hba": access(topology, site, installed.superuser),
    }


def access(topology: Topology, site: Site, superuser: str) -> list[str]:
    """Who may come in. The other site arrives at our end of the link; both roles, since after a move the roles turn.
    The superuser's is for backups, from wherever they are kept.

    Barring one site is `ALTER ROLE ... NOLOGIN` on its role (multicloud.md 4.4), no change of this file.
    """
    roles = ",".join(sorted(one.replication_role for one in topology.sites))
    hosts = [node.host for node in site.nodes] + [site.link.host]
    replication = [f"host replication {roles} {_address(host)} scram-sha-256" for host in dict.fromkeys(hosts)]
    backups = f"host replication {superuser} all scram-sha-256"
    return ["local all all scram-sha-256", *replication, backups, "host all all all scram-sha-256"]


def _address(host: str) -> str:
    if _NUMERIC.fullmatch(host):
        return f"{host}/32"
    return f"{host}/128" if ":" in host else host


def _ours(topology: Topology, site: Site, node: Node, installed: Installed) -> dict[str, Any]:
    """See `node_file.OurKeys`."""
    return {
        "site": site.name,
        "link": {"host": site.link.host, "port": site.link.port},
        "peers": [
            {"name": peer.name, "host": peer.host, "rest_port": peer.rest_port}
            for peer in topology.other(site.name).nodes
        ],
        "passfile": installed.of(node.name, "pgpass"),
        "register": {
            "host": topology.register.host,
            "port": topology.register.port,
            "authority": topology.link_authority,
            "certificate": installed.of(node.name, f"{node.name}.crt"),
            "key": installed.of(node.name, f"{node.name}.key"),
            "reader": installed.register_reader,
        },
    }
