"""`python -m kanjo.sites.link --config FILE`: run an end of the link until SIGTERM; SIGHUP renews its certificates.

Prints its status as one line of JSON once it is there; logs go to standard error.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import msgspec

from kanjo.sites.link.config import read_config
from kanjo.sites.link.control_socket import serve_control
from kanjo.sites.link.end import End
from kanjo.sites.process import run, say


def main() -> int:
    """Run it; returns the exit status."""
    return run("kanjo.sites.link", __doc__ or "", _run)


async def _run(file: Path) -> None:
    config = read_config(file)
    end = End(config)
    control = await serve_control(end)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, end.renew)
    try:
        await end.run(lambda status: say(msgspec.json.encode(status)))
    finally:
        control.close()
        Path(config.control).unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
