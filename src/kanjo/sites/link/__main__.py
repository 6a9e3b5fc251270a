"""`python -m kanjo.sites.link --config FILE`: run an end of the link until SIGTERM; SIGHUP renews its certificates.

Prints its status as one line of JSON once it is there; logs go to standard error.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

import msgspec

from kanjo.errors import KanjoError
from kanjo.sites.link.config import EndConfig, read_config
from kanjo.sites.link.control_socket import serve_control
from kanjo.sites.link.end import End
from kanjo.sites.link.status import LinkStatus
from kanjo.sites.process import log_to_stderr, until_told_to_end


def main() -> int:
    """Run it; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m kanjo.sites.link", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="JSON file, see docs/reference/link.md")
    arguments = parser.parse_args()
    log_to_stderr()
    try:
        asyncio.run(until_told_to_end(_run(read_config(arguments.config))))
    except KanjoError as error:
        sys.stderr.write(f"{error.code}: {error.message}\n")
        return error.exit_status
    except OSError as error:
        sys.stderr.write(f"system-error: {error}\n")
        return 3
    return 0


async def _run(config: EndConfig) -> None:
    end = End(config)
    control = await serve_control(end)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, end.renew)
    try:
        await end.run(_tell)
    finally:
        control.close()
        Path(config.control).unlink(missing_ok=True)


def _tell(status: LinkStatus) -> None:
    sys.stdout.write(msgspec.json.encode(status).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
