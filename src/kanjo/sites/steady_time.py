"""A clock for Patroni that nobody sets: it counts leases and pauses by the wall clock (its issue 3560).

Set back by an hour, stock Patroni 4.1.5 sleeps until the wall clock is where it was: the lease ends, and another node
takes over. Here it is told the time of its start and what a clock that nobody sets has counted since. What people read
or order by the hour, its log and its scheduled switches, keeps the wall clock; only `dcs_last_seen` goes along.
"""

from __future__ import annotations

import importlib
import time
from types import ModuleType

MEASURING = (
    "patroni.__main__",
    "patroni.api",
    "patroni.dcs",
    "patroni.dcs.etcd",
    "patroni.dcs.etcd3",
    "patroni.ha",
    "patroni.postgresql",
    "patroni.utils",
)
"""Patroni's modules that ask for the time; those for another quorum than etcd, or for another command, are left out."""


def hold_steady() -> None:
    """Give each of them this clock. Once, before Patroni starts."""
    steady = ModuleType("time")
    vars(steady).update(vars(time))
    began_s = time.time() - _passed_s()
    vars(steady)["time"] = lambda: began_s + _passed_s()
    for name in MEASURING:
        vars(importlib.import_module(name))["time"] = steady


def _passed_s() -> float:
    """Of a machine that was paused, the pause too: a lease runs out meanwhile."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
