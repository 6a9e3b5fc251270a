"""Where things are on the hosts, which a topology does not say: paths, the server's user, sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec

Watchdog: TypeAlias = Literal["off", "automatic", "required"]


class Installed(msgspec.Struct, frozen=True, kw_only=True):
    """The usual places of a production host; a lab has others.

    `watchdog`: with `required`, a hung Patroni's host is reset before its lease is anybody else's (pitfall 8).
    `parameters` stand over ours, such as memory and connections, which depend on the host.
    """

    python: str = "/opt/kanjo/bin/python"
    folder: str = "/etc/kanjo/sites"
    user: str = "postgres"
    postgresql_bin: str = "/usr/lib/postgresql/18/bin"
    etcd: str = "/usr/bin/etcd"
    haproxy: str = "/usr/sbin/haproxy"
    superuser: str = "postgres"
    rewind_role: str = "rewind"
    watchdog: Watchdog = "automatic"
    register_reader: str = "kanjo.sites.register_client:reader"
    parameters: Mapping[str, str] = {}

    def of(self, name: str, file: str) -> str:
        """A file of one node or service."""
        return f"{self.folder}/{name}/{file}"
