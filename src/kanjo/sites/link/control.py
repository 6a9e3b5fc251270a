"""Give orders to an end of the link from another process on its host: blocking, one connection an order."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import msgspec

from kanjo.errors import KanjoError, Refused, SystemFailed, WrongUsage
from kanjo.sites.link.status import LinkStatus
from kanjo.sites.link.valve import Blackhole, Cut, Delay, Heal, Order

TIMEOUT_S = 5.0
_KINDS: dict[int, type[KanjoError]] = {1: Refused, 2: WrongUsage}


class LinkControl:
    """A way to the end whose control socket is at `path`. Errors: `link-unreachable`, and what the end refuses."""

    def __init__(self, path: Path, *, timeout_s: float = TIMEOUT_S) -> None:
        self._path = path
        self._timeout_s = timeout_s

    def status(self) -> LinkStatus:
        """How the end stands."""
        return self._say(b'{"do":"status"}')

    def cut(self, *, by: str = "", reason: str = "") -> LinkStatus:
        """Drop everything and take nothing more, until healed, also after a restart (R5)."""
        return self._order(Cut(by=by, reason=reason))

    def heal(self, *, by: str = "", reason: str = "") -> LinkStatus:
        """Open again."""
        return self._order(Heal(by=by, reason=reason))

    def blackhole(self, *, by: str = "", reason: str = "") -> LinkStatus:
        """Swallow every byte and close nothing."""
        return self._order(Blackhole(by=by, reason=reason))

    def delay(self, delay_ms: int) -> LinkStatus:
        """Hold up what leaves this site."""
        return self._order(Delay(delay_ms=delay_ms))

    def _order(self, order: Order) -> LinkStatus:
        return self._say(msgspec.json.encode(order))

    def _say(self, line: bytes) -> LinkStatus:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(self._timeout_s)
                connection.connect(os.fsencode(self._path))
                connection.sendall(line + b"\n")
                with connection.makefile("rb") as answers:
                    answer = msgspec.json.decode(answers.readline())
        except (OSError, msgspec.DecodeError) as error:
            raise SystemFailed(
                "link-unreachable",
                f"The end of the link does not answer on {self._path}: {error}. Is it running?",
                path=str(self._path),
            ) from error
        if "error" in answer:
            found = answer["error"]
            raise _KINDS.get(found["exit_status"], SystemFailed)(found["code"], found["message"])
        return msgspec.convert(answer, LinkStatus)
