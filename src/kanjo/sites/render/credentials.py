"""The two files with secrets, as examples to fill in on the hosts: a topology never holds a password."""

from __future__ import annotations

from kanjo.sites.render.installed import Installed
from kanjo.sites.topology import Node, Site

FILL_IN = "CHANGE-ME"


def environment_example(site: Site, installed: Installed) -> str:
    """What Patroni takes from its environment, and drops from it at once, so that no child inherits it."""
    users = {
        "SUPERUSER": installed.superuser,
        "REPLICATION": site.replication_role,
        "REWIND": installed.rewind_role,
        "RESTAPI": "operator",
    }
    lines = [
        f"# {site.credentials}: mode 0600, owned by root (systemd reads it). The same on all hosts of this site only."
    ]
    for name, user in users.items():
        lines += [f"PATRONI_{name}_USERNAME={user}", f"PATRONI_{name}_PASSWORD={FILL_IN}"]
    return "\n".join(lines) + "\n"


def passfile_example(site: Site, node: Node, installed: Installed) -> str:
    """What launcher and gate take through libpq: our own server, and the other site's leader behind the link."""
    here, link = f"{node.host}:{node.port}", f"{site.link.host}:{site.link.port}"
    lines = [
        f"# {installed.of(node.name, 'pgpass')}: mode 0600, owned by {installed.user}.",
        f"{here}:*:{installed.superuser}:{FILL_IN}",
        f"{here}:*:{site.replication_role}:{FILL_IN}",
        f"{link}:*:{site.replication_role}:{FILL_IN}",
    ]
    return "\n".join(lines) + "\n"
