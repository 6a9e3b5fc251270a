"""Where things are on the hosts, which a topology does not say: paths, the server's user, sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec

Watchdog: TypeAlias = Literal["off", "automatic", "required"]


class Installed(msgspec.Struct, frozen=True, kw_only=True):
    """The usual places of a production host; a lab has others.

    `desk` is on the administrator's terminal, all else on hosts. `run` holds the control sockets of the link, `state`
    what its ends remember, `persons` the public keys of those who may sign. `watchdog`: with `required`, a hung
    Patroni's host is reset before its lease is anybody else's (pitfall 8). `parameters` stand over ours, such as memory
    and connections, which depend on the host.
    """

    python: str = "/opt/kanjo/bin/python"
    folder: str = "/etc/kanjo/sites"
    run: str = "/run/kanjo"
    state: str = "/var/lib/kanjo"
    persons: str = "/etc/kanjo/sites/persons"
    desk: str = "/etc/kanjo/desk"
    user: str = "postgres"
    postgresql_bin: str = "/usr/lib/postgresql/18/bin"
    etcd: str = "/usr/bin/etcd"
    haproxy: str = "/usr/sbin/haproxy"
    superuser: str = "postgres"
    rewind_role: str = "rewind"
    watchdog: Watchdog = "automatic"
    register_reader: str = "kanjo.sites.register.reader:reader"
    parameters: Mapping[str, str] = {}

    def of(self, name: str, file: str) -> str:
        """A file of one node or service."""
        return f"{self.folder}/{name}/{file}"

    def at_desk(self, file: str) -> str:
        """A file of the desk."""
        return f"{self.desk}/{file}"
