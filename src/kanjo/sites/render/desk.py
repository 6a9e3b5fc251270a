"""What the operators' desk reads, and the roles that a new bank needs; the desk stands in neither site."""

from __future__ import annotations

import msgspec

from kanjo.sites.render.credentials import REST_USER, fill_in, pass_line
from kanjo.sites.render.installed import Installed
from kanjo.sites.render.link import link_name
from kanjo.sites.topology import Topology

DESK = "desk"
"""Stands for its host, which no topology names."""
BANK, SERVICE = "kanjo", "kanjo_service"
"""The database and the role that owns it, and the role into which that steps down to serve."""


def desk_file(topology: Topology, installed: Installed) -> str:
    """The text of `desk.json` (docs/reference/desk.md). The links' sockets are those that ssh brings to the desk."""
    content = {
        "topology": installed.at_desk("sites.toml"),
        "register": {
            "authority": installed.at_desk("authority.crt"),
            "certificate": installed.at_desk("operator.crt"),
            "key": installed.at_desk("operator.key"),
        },
        "links": {site.name: installed.at_desk(f"{link_name(site)}.sock") for site in topology.sites},
        "persons": installed.at_desk("persons"),
        "rest_user": REST_USER,
        "rest_password": installed.at_desk("rest.password"),
        "database_user": installed.superuser,
        "passfile": installed.at_desk("pgpass"),
    }
    return msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n"


def desk_passfile_example(topology: Topology, installed: Installed) -> str:
    """The administrator at every node, and with the bank at both doors' entrances."""
    lines = [pass_line(f"{node.host}:{node.port}", installed.superuser) for _, node in topology.nodes()]
    for site in topology.sites:
        entrance = f"{site.haproxy.host}:{site.haproxy.port}"
        lines += [pass_line(entrance, role) for role in (installed.superuser, BANK)]
    return "\n".join(lines) + "\n"


def rest_password_example() -> str:
    """Of who changes a Patroni's configuration."""
    return fill_in(REST_USER) + "\n"


def roles_example(topology: Topology) -> str:
    """What Patroni does not make: the other site's replication role, the bank's two roles and its database."""
    other = topology.other(topology.operating).replication_role
    return f"""\
-- Once, on the first primary of site {topology.operating}; copies have it too.
SET log_min_error_statement = panic;
CREATE ROLE {other} LOGIN REPLICATION PASSWORD '{fill_in(other)}';
CREATE ROLE {BANK} LOGIN PASSWORD '{fill_in(BANK)}';
CREATE ROLE {SERVICE} NOLOGIN;
GRANT {SERVICE} TO {BANK};
CREATE DATABASE {BANK} TEMPLATE template0 OWNER {BANK};
"""
