"""`python -m kanjo.sites.register --config FILE`: serve the register until SIGTERM.

Prints one line of JSON with the address once it answers; logs go to standard error.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import msgspec

from kanjo.sites.process import run, say
from kanjo.sites.register.server import Register, read_config


def main() -> int:
    """Run it; returns the exit status."""
    return run("kanjo.sites.register", __doc__ or "", _serve)


async def _serve(file: Path) -> None:
    with contextlib.closing(Register(read_config(file))) as register:
        await register.serve(lambda address: say(msgspec.json.encode({"listening": address})))


if __name__ == "__main__":
    sys.exit(main())
