"""A member's `etcd.yml`: one vote of its site's own quorum (R4)."""

from __future__ import annotations

import re

import yaml

from kanjo.sites.topology import EtcdMember, Site

_NUMERIC = re.compile(r"[\d.]+|[0-9a-f:]*:[0-9a-f:]*")


def etcd_file(site: Site, member: EtcdMember) -> str:
    """The text of it. The other site's members are nowhere in it, and the token keeps strangers out."""
    content = {
        "name": member.name,
        "data-dir": member.data,
        "listen-client-urls": _listen(member.host, member.client_port),
        "advertise-client-urls": f"http://{member.host}:{member.client_port}",
        "listen-peer-urls": _listen(member.host, member.peer_port),
        "initial-advertise-peer-urls": f"http://{member.host}:{member.peer_port}",
        "initial-cluster": ",".join(f"{one.name}=http://{one.host}:{one.peer_port}" for one in site.etcd),
        "initial-cluster-token": site.scope,
        "initial-cluster-state": "new",
        "enable-grpc-gateway": True,  # Patroni asks through it; on by default only where there is no such file
        # a lost leader is replaced within a second, before a Patroni gives its quorum up (decision 0013)
        "heartbeat-interval": 50,
        "election-timeout": 500,
        "auto-compaction-mode": "periodic",
        "auto-compaction-retention": "5m",
    }
    text: str = yaml.safe_dump(content, sort_keys=False, width=1000)
    return text


def _listen(host: str, port: int) -> str:
    """etcd binds to numbers only."""
    return f"http://{host if _NUMERIC.fullmatch(host) else '0.0.0.0'}:{port}"  # noqa: S104 - a name cannot be bound
