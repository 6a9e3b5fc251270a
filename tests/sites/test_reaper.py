"""A lab's own init: orphans are taken leave of at once, whatever the machine's init does."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from kanjo.sites.lab import reaper

ORPHAN = """\
import os, subprocess, sys, time
orphan = int(subprocess.run(["sh", "-c", "sleep 60 >/dev/null 2>&1 & echo $!"], capture_output=True, text=True).stdout)
os.kill(orphan, 9)
until_s = time.monotonic() + 10
while os.path.exists(f"/proc/{orphan}") and time.monotonic() < until_s:
    time.sleep(0.01)
print(10 - (until_s - time.monotonic()))
sys.exit(7)
"""


def test_an_orphan_is_gone_as_soon_as_it_has_ended() -> None:
    """And the command's exit status is the reaper's."""
    command = [sys.executable, str(Path(reaper.__file__)), sys.executable, "-c", ORPHAN]

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)

    assert done.returncode == 7 and float(done.stdout) < 0.5


def test_it_ends_with_its_command_and_not_with_the_orphans() -> None:
    """What a killed Patroni leaves alive lives on."""
    script = 'import subprocess; subprocess.run(["sh", "-c", "sleep 5 >/dev/null 2>&1 &"])'
    began_s = time.monotonic()

    done = subprocess.run([sys.executable, str(Path(reaper.__file__)), sys.executable, "-c", script], check=False)

    assert done.returncode == 0 and time.monotonic() - began_s < 4
