"""One connection carried: a plain socket in this site, a TLS socket to the other, and what passes between them.

Bounded both ways: a side that does not take what comes makes the other stop reading. An end of one side is the end of
both, behind what is still on its way; half-closed connections do not exist here (TLS has none).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from kanjo.sites.link.valve import LinkMode, Valve

WRITE_BYTES_MAX = 256 * 1024
LATE_BYTES_MAX = 8 * 1024 * 1024
"""What may be on its way: 100 ms at 80 MB/s."""
LINE_BYTES_MAX = 256


class Side(asyncio.Protocol):
    """One of the two sockets. Until it is part of a carriage it reads nothing but the lines that it is asked for."""

    def __init__(self, met: Callable[[Side], None] | None = None) -> None:
        self.transport: asyncio.Transport | None = None
        self.carriage: Carriage | None = None
        self.lost = False
        self._met = met
        self._holds: set[str] = set()
        self._early = b""
        self._line: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket; asyncio has set TCP_NODELAY on it."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.set_write_buffer_limits(high=WRITE_BYTES_MAX)
        self.hold("alone")
        if self._met is not None:
            self._met(self)

    def data_received(self, data: bytes) -> None:
        if self.carriage is not None:
            self.carriage.came(self, data)
            return
        self._early += data
        self._find_line()
        if len(self._early) > WRITE_BYTES_MAX:
            self.abort()

    def connection_lost(self, _: Exception | None) -> None:
        self.lost = True
        if self._line is not None and not self._line.done():
            self._line.set_exception(ConnectionError("closed while greeting"))
        if self.carriage is not None:
            self.carriage.ended(self)

    def pause_writing(self) -> None:
        if self.carriage is not None:
            self.carriage.hold_other(self, "full")

    def resume_writing(self) -> None:
        if self.carriage is not None:
            self.carriage.let_other(self, "full")

    async def line(self) -> bytes:
        """The next line without its end. Raises `ConnectionError` when there is none."""
        self._line = asyncio.get_running_loop().create_future()
        self.let("alone")
        self._find_line()
        try:
            return await self._line
        finally:
            self._line = None
            self.hold("alone")

    def _find_line(self) -> None:
        if self._line is None or self._line.done():
            return
        line, end, rest = self._early.partition(b"\n")
        if end:
            self._early = rest
            self._line.set_result(line)
        elif self.lost or len(self._early) > LINE_BYTES_MAX:
            self._line.set_exception(ConnectionError("no line came"))

    def join(self, carriage: Carriage) -> None:
        """Become part of a carriage and read on."""
        self.carriage = carriage
        if self._early:
            carriage.came(self, self._early)
            self._early = b""
        self.let("alone")
        if self.lost:
            carriage.ended(self)

    def hold(self, why: str) -> None:
        """Read no more for this reason."""
        self._holds.add(why)
        if self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()

    def let(self, why: str) -> None:
        """Read on unless there is another reason not to."""
        self._holds.discard(why)
        if not self._holds and self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def write(self, data: bytes) -> None:
        """Send it; bounded because the other side is held when this one is full."""
        if self.transport is not None and not self.lost:
            self.transport.write(data)

    def close(self) -> None:
        """Close behind what was written."""
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """Close now, and forget what was written."""
        if self.transport is not None:
            self.transport.abort()


class Carriage:
    """A pair of sides; one of them may be missing when a black hole swallowed the connection at birth."""

    def __init__(
        self,
        near: Side | None,
        far: Side | None,
        *,
        valve: Callable[[], Valve],
        target: tuple[str, str] | None,
        over: Callable[[Carriage], None],
    ) -> None:
        """`near` is in this site, `far` leads to the other; `target`: service and address if it was carried to here."""
        self.target = target
        self.holed = near is None or far is None
        self.out_bytes = self.in_bytes = 0
        self._near, self._far = near, far
        self._valve = valve
        self._over = over
        self._loop = asyncio.get_running_loop()
        self._late: deque[tuple[float, bytes]] = deque()
        self._late_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._closing = False

    def begin(self) -> None:
        """Let both sides read; what they read before comes first."""
        for side in self._sides():
            side.join(self)

    def came(self, side: Side, data: bytes) -> None:
        """Pass on what one side read: now, later, or never."""
        valve = self._valve()
        if valve.mode is not LinkMode.OPEN:
            self.holed = True
        elif side is self._far:
            self.in_bytes += len(data)
            if self._near is not None:
                self._near.write(data)
        elif valve.delay_ms or self._late:
            self._postpone(data, valve.delay_ms)
        else:
            self._send(data)

    def ended(self, side: Side) -> None:
        """One side is gone: close the other behind what is under way; in a black hole it does not learn of it."""
        if all(one.lost for one in self._sides()):
            self._forget_late()
            self._over(self)
        elif self._valve().mode is LinkMode.BLACKHOLE and not self._closing:
            self.holed = True
        elif side is self._near and self._late:
            self._closing = True
        else:
            self._close()

    def abort(self) -> None:
        """Drop both sides now."""
        self._forget_late()
        for side in self._sides():
            side.abort()

    def hold_other(self, side: Side, why: str) -> None:
        """The side is full: stop reading what goes to it."""
        other = self._far if side is self._near else self._near
        if other is not None:
            other.hold(why)

    def let_other(self, side: Side, why: str) -> None:
        """The side has room again."""
        other = self._far if side is self._near else self._near
        if other is not None:
            other.let(why)

    def _send(self, data: bytes) -> None:
        self.out_bytes += len(data)
        if self._far is not None:
            self._far.write(data)

    def _postpone(self, data: bytes, delay_ms: int) -> None:
        due_s = self._loop.time() + delay_ms / 1000
        if self._late:
            due_s = max(due_s, self._late[-1][0])
        self._late.append((due_s, data))
        self._late_bytes += len(data)
        if self._late_bytes > LATE_BYTES_MAX and self._near is not None:
            self._near.hold("late")
        if self._timer is None:
            self._timer = self._loop.call_at(due_s, self._deliver)

    def _deliver(self) -> None:
        """Send what is due; what a black hole meets under way is lost."""
        self._timer = None
        now_s = self._loop.time()
        while self._late and self._late[0][0] <= now_s:
            _, data = self._late.popleft()
            self._late_bytes -= len(data)
            if self._valve().mode is LinkMode.OPEN:
                self._send(data)
            else:
                self.holed = True
        if self._late_bytes <= LATE_BYTES_MAX // 2 and self._near is not None:
            self._near.let("late")
        if self._late:
            self._timer = self._loop.call_at(self._late[0][0], self._deliver)
        elif self._closing:
            self._close()

    def _close(self) -> None:
        """Both sides end behind what was written; a cut may still come before that, so the end keeps us till then."""
        self._forget_late()
        for side in self._sides():
            side.close()

    def _forget_late(self) -> None:
        self._closing = True
        self._late.clear()
        self._late_bytes = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _sides(self) -> list[Side]:
        return [side for side in (self._near, self._far) if side is not None]
