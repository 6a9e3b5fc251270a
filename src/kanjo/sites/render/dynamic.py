"""Patroni's dynamic configuration at the first bring-up of a site (multicloud.md 3.1); from then on etcd keeps it."""

from __future__ import annotations

from typing import Any

from kanjo.sites.policy import KEY
from kanjo.sites.render.installed import Installed
from kanjo.sites.topology import Site, Topology

GIB = 1 << 30


def dynamic(topology: Topology, site: Site, installed: Installed) -> dict[str, Any]:
    """The section `bootstrap.dcs`. Quorum mode and failsafe mode stay off: neither knows the other site."""
    policy, other = topology.policy, topology.other(site.name)
    found: dict[str, Any] = {
        "ttl": policy.ttl_s,
        "loop_wait": policy.loop_wait_s,
        "retry_timeout": policy.retry_timeout_s,
        "primary_start_timeout": 0,  # fail over at once; waiting for a local restart would cost minutes
        "synchronous_mode": True,
        "synchronous_mode_strict": False,
        "synchronous_node_count": 1,
        "maximum_lag_on_failover": GIB,  # it counts what nobody was answered for too (pitfall 6)
        "check_timeline": True,
        "failsafe_mode": False,
        "slots": {other.slot: {"type": "physical", "cluster_type": "primary"}},
        KEY: _remote_sync(topology, site, other),
        "postgresql": {"use_pg_rewind": True, "use_slots": True, "parameters": parameters(topology, installed)},
    }
    if site.name != topology.operating:
        found["standby_cluster"] = standby_section(site)
    return found


def standby_section(site: Site) -> dict[str, Any]:
    """What makes a site follow the other one, through its own end of the link, by the one slot kept for it."""
    return {
        "host": site.link.host,
        "port": site.link.port,
        "primary_slot_name": site.slot,
        "create_replica_methods": ["basebackup"],
    }


def _remote_sync(topology: Topology, site: Site, other: Site) -> dict[str, str]:
    """The operating site begins detached: nobody stands across the link yet, and its bootstrap would wait for ever."""
    names = ",".join(other.node_names)
    if site.name == topology.operating:
        return {"names": names, "mode": "detached", "by": "bring-up", "reason": "the other site is not built yet"}
    return {"names": names, "mode": topology.policy.mode, "by": "bring-up", "reason": "as the topology says"}


def parameters(topology: Topology, installed: Installed) -> dict[str, str]:
    """PostgreSQL's parameters (multicloud.md 3.2). A dead link is noticed in seconds; an absent site fills no disk."""
    return {
        "synchronous_commit": "on",
        "kanjo.synchronous_commit": "on",  # the level below which the ledger refuses to post (pitfall 21)
        "client_connection_check_interval": "5s",  # who gave up on a silent server leaves no session behind that waits
        "wal_sender_timeout": "5s",
        "wal_receiver_timeout": "5s",
        "wal_receiver_status_interval": "1s",
        "wal_retrieve_retry_interval": "200ms",
        "wal_level": "replica",
        "wal_log_hints": "on",
        "wal_keep_size": "2GB",
        "max_wal_senders": "12",
        "max_replication_slots": "12",
        "max_slot_wal_keep_size": f"{topology.policy.log_kept_gib_max}GB",
        "hot_standby": "on",
        "password_encryption": "scram-sha-256",
        "log_min_error_statement": "panic",  # statements and rows hold names and amounts: they never reach a log
        "log_error_verbosity": "terse",
        **installed.parameters,
    }
