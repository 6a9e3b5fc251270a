"""The files with secrets, as examples to fill in: a topology never holds a password."""

from __future__ import annotations

import re
from collections.abc import Mapping

from kanjo.sites.render.installed import Installed
from kanjo.sites.topology import Node, Site

FILL_IN = "CHANGE-ME"
"""Stands where a password goes; what follows it is the role, so that one list of passwords fills in every file."""
REST_USER = "operator"


def fill_in(role: str) -> str:
    """What a role's password replaces."""
    return f"{FILL_IN}-{role}"


def filled_in(example: str, passwords: Mapping[str, str]) -> str:
    """The example with the password of each role that stands in it."""
    return re.sub(rf"{FILL_IN}-(\w+)", lambda found: passwords[found[1]], example)


def environment_example(site: Site, installed: Installed) -> str:
    """What Patroni takes from its environment, and drops from it at once, so that no child inherits it."""
    users = {
        "SUPERUSER": installed.superuser,
        "REPLICATION": site.replication_role,
        "REWIND": installed.rewind_role,
        "RESTAPI": REST_USER,
    }
    lines = [
        f"# {site.credentials}: mode 0600, owned by root (systemd reads it). The same on all hosts of this site only."
    ]
    for name, user in users.items():
        lines += [f"PATRONI_{name}_USERNAME={user}", f"PATRONI_{name}_PASSWORD={fill_in(user)}"]
    return "\n".join(lines) + "\n"


def passfile_example(site: Site, node: Node, installed: Installed) -> str:
    """What launcher and gate take through libpq: our own server, and the other site's leader behind the link."""
    here, link = f"{node.host}:{node.port}", f"{site.link.host}:{site.link.port}"
    lines = [
        f"# {installed.of(node.name, 'pgpass')}: mode 0600, owned by {installed.user}.",
        pass_line(here, installed.superuser),
        pass_line(here, site.replication_role),
        pass_line(link, site.replication_role),
    ]
    return "\n".join(lines) + "\n"


def pass_line(server: str, role: str) -> str:
    """A line of libpq's passfile, for every database of a server."""
    return f"{server}:*:{role}:{fill_in(role)}"
