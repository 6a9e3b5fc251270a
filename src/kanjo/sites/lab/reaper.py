"""A small init for a part: run its command, and take leave of whatever becomes an orphan below it.

A database that Patroni started is an orphan by design, and one that has ended seems to run until somebody asks how it
ended. systemd asks at once; what is process 1 in a container may take seconds, or never do it. A file that imports
nothing of Kanjo, since each node has one of it.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

PR_SET_CHILD_SUBREAPER = 36


def main(command: list[str]) -> int:
    """Run it to its end; its exit status."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    child = subprocess.Popen(command)
    while True:
        pid, status = os.wait()
        if pid == child.pid:
            return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
