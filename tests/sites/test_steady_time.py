"""Patroni's clock: it counts on while the wall clock leaps, in every module that asks for the time."""

from __future__ import annotations

import importlib
import time
from pathlib import Path

import patroni
import pytest

from kanjo.sites.steady_time import MEASURING, hold_steady

OTHERS = {
    *(f"patroni.dcs.{name}" for name in ("consul", "exhibitor", "kubernetes", "raft")),
    "patroni.ctl",
    "patroni.postgresql.mpp.citus",
}
"""Other quorums than etcd, another command, and a server that we do not run."""
HOUR_S = 3600.0


def test_no_module_of_patroni_is_forgotten() -> None:
    """Whoever reads its source anew for another version finds here which ones ask for the time."""
    folder = Path(str(patroni.__file__)).parent
    asking = {
        ".".join(path.relative_to(folder.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in folder.rglob("*.py")
        if "time.time()" in path.read_text("utf-8")
    }

    assert asking - OTHERS == set(MEASURING)


@pytest.mark.parametrize("leap_s", [HOUR_S, -HOUR_S])
def test_the_wall_clock_leaps_and_patroni_s_does_not(monkeypatch: pytest.MonkeyPatch, leap_s: float) -> None:
    """It began with the wall clock's time and goes on as if nothing were; everything else of `time` is there."""
    modules = [importlib.import_module(name) for name in MEASURING]
    for module in modules:
        monkeypatch.setattr(module, "time", time)
    wall = time.time
    hold_steady()
    monkeypatch.setattr(time, "time", lambda: wall() + leap_s)

    assert all(abs(module.time.time() - wall()) < 5 for module in modules)
    assert all(module.time.sleep is time.sleep for module in modules)
