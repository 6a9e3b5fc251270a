"""A node whose data lies on a small file system that can be filled."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from runbook import Runbook
from waiting import wait_until

from kanjo.sites.lab.ground import read_record

SIZE_MIB = 400


class SmallDisk:
    """Of one node."""

    def __init__(self, data: Path) -> None:
        self._ballast = data / "ballast"

    def fill(self) -> None:
        """Leave no room at all."""
        with self._ballast.open("wb", buffering=0) as ballast, suppress(OSError):
            while True:
                ballast.write(bytes(1 << 16))

    def clear(self) -> None:
        """Room again."""
        self._ballast.unlink()


def _leads(runbook: Runbook, name: str) -> bool:
    """By what it does: the lock of before bears its name for a while."""
    [found] = [node for node in runbook.look().nodes if node.name == name]
    return (found.role, found.state) == ("standby-leader", "streaming")


@contextmanager
def moved_to_small_disk(runbook: Runbook, name: str) -> Iterator[SmallDisk]:
    """Stop the whole site, lay the node's data onto a small disk, start the site again, led by that node."""
    site = next(site for site, node in runbook.desk.topology.nodes() if node.name == name)
    data = runbook.lab.ground.host / "data" / name
    made = read_record(runbook.lab.ground)
    runbook.lab.kill([node.name for node in site.nodes])
    away = data.with_name(f"{name}.away")
    data.rename(away)
    data.mkdir()
    options = f"size={SIZE_MIB}m,mode=700,uid={made.uid},gid={made.gid}"
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(data)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"this machine does not let root mount: {mounted.stderr.strip()}")
    try:
        subprocess.run(["cp", "-a", f"{away}/.", str(data)], check=True)
        runbook.lab.start([name])
        wait_until(lambda: _leads(runbook, name), f"{name} leads {site.name}")
        runbook.lab.start([site.name])
        yield SmallDisk(data)
    finally:
        subprocess.run(["umount", "--lazy", str(data)], check=True)
