"""The policy as it stands in Patroni's dynamic configuration, under our own key `remote_sync`. Pure.

Patroni keeps keys that it does not know, in etcd and in `patroni.dynamic.json`. What is missing or cannot be read
counts as "required, nobody known": only a record that says so lets answers leave without the other site (R9).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from kanjo.sites.names import Circumstances
from kanjo.sites.topology import Mode

KEY = "remote_sync"
LOOP_WAIT_S_MIN, RETRY_TIMEOUT_S_MIN = 1, 3


class RemoteSync(msgspec.Struct, frozen=True, kw_only=True):
    """Who stands across the link, whether answers wait for them, and who decided so, why.

    `heir`: of a site whose other one was lost, the node that has everything which was answered. No other one may end
    `timeline`, on which that was found; later ones are the site's own.
    """

    names: str
    mode: Mode
    by: str = ""
    reason: str = ""
    heir: str = ""
    timeline: int = 0

    @property
    def remote_names(self) -> tuple[str, ...]:
        """The other site's members; `names` lists them with commas, for `patronictl edit-config -s`."""
        return tuple(name for name in (part.strip() for part in self.names.split(",")) if name)


HELD = RemoteSync(names="", mode="required", reason="the policy is missing or cannot be read")
"""Nobody is answered until there is a policy."""


def policy_of(dynamic: Mapping[str, Any] | None) -> RemoteSync:
    """The policy in a dynamic configuration; `HELD` when it has none that can be read."""
    try:
        return msgspec.convert((dynamic or {}).get(KEY), RemoteSync)
    except msgspec.ValidationError:
        return HELD


def circumstances(policy: RemoteSync, *, remote_verified: bool, is_standby_site: bool) -> Circumstances:
    """What the names rule depends on."""
    return Circumstances(policy.mode, policy.remote_names, remote_verified, is_standby_site)


def is_standby(dynamic: Mapping[str, Any] | None) -> bool:
    """Whether a dynamic configuration makes its site a standby cluster; Patroni judges it in the same way."""
    section = (dynamic or {}).get("standby_cluster")
    return isinstance(section, dict) and any(section.get(name) for name in ("host", "port", "restore_command"))


def keeps_lease(ttl_s: Any, loop_wait_s: Any, retry_timeout_s: Any) -> bool:
    """Whether a primary cut off from its quorum has stopped before its lease ends: Patroni renews it every loop, asks
    its quorum for `retry_timeout` to read and as long again to write, and stops then.
    """
    times = (ttl_s, loop_wait_s, retry_timeout_s)
    if not all(type(time_s) is int for time_s in times):
        return False
    least = loop_wait_s >= LOOP_WAIT_S_MIN and retry_timeout_s >= RETRY_TIMEOUT_S_MIN
    return bool(least and loop_wait_s + 2 * retry_timeout_s <= ttl_s)
