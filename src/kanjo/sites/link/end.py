"""An end of the link: its doors for plain and for TLS connections, what it carries, and the valve over all of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import structlog

from kanjo.errors import KanjoError, SystemFailed
from kanjo.sites.link.carriage import Carriage, Side
from kanjo.sites.link.config import EndConfig, Fixed, Followed, host_port
from kanjo.sites.link.crossing import OK, NotCarried, answer, call
from kanjo.sites.link.follower import Follower
from kanjo.sites.link.leader import Standing, destination, is_stale
from kanjo.sites.link.status import LinkStatus, ServiceStatus
from kanjo.sites.link.valve import Effect, Heal, LinkMode, Order, Valve, turned
from kanjo.sites.link.valve_file import read_valve, write_valve
from kanjo.sites.mutual_tls import answering, calling, names_of, renew
from kanjo.sites.validity import validities

HANDSHAKE_S_MAX = 5.0
_LOG = structlog.get_logger()


class End:
    """One end; lives on an event loop."""

    def __init__(self, config: EndConfig) -> None:
        self.config = config
        self._state = Path(config.state)
        self._valve = read_valve(self._state, Valve(delay_ms=config.delay_ms))
        self._called = answering(config.tls)
        self._calling = calling(config.tls)
        self._certificates = validities(config.tls)
        self._turning = asyncio.Lock()
        self._servers: list[asyncio.Server] = []
        self._ports: dict[str, int] = {}
        self._carriages: set[Carriage] = set()
        self._greeting: dict[Side, asyncio.Task[None]] = {}
        self._carried_out_bytes = self._carried_in_bytes = 0
        self._fixed = {one.name: one.address for one in config.services if isinstance(one, Fixed)}
        self._followers = {
            one.name: Follower(
                one,
                every_s=config.ask_every_ms / 1000,
                timeout_s=config.ask_timeout_ms / 1000,
                context=self._calling,
                changed=self._leader_changed,
            )
            for one in config.services
            if isinstance(one, Followed)
        }

    async def run(self, ready: Callable[[LinkStatus], None]) -> None:
        """Carry until cancelled; leaves no socket behind.

        Whose certificate has ended carries nothing new, and runs nevertheless: it must hear who wants to cut the link.
        """
        self._tell_ended()
        try:
            if self._valve.mode is not LinkMode.CUT:
                await self._listen()
            ready(self.status())
            async with asyncio.TaskGroup() as group:
                for follower in self._followers.values():
                    group.create_task(follower.follow())
                group.create_task(asyncio.Event().wait())
        finally:
            self._shut()

    def renew(self) -> None:
        """Use the certificates that lie there now for what is carried from now on; what is carried goes on."""
        try:
            found = validities(self.config.tls)
            for context in (self._called, self._calling):
                renew(context, self.config.tls)
        except KanjoError as error:
            _LOG.error("not-renewed", code=error.code, message=error.message)
            return
        self._certificates = found
        _LOG.info("renewed", certificates=msgspec.to_builtins(found))
        self._tell_ended()

    def _tell_ended(self) -> None:
        for one in self._certificates:
            if one.until <= datetime.now(UTC):
                _LOG.error("certificate-ended", name=one.name, until=one.until.isoformat())

    async def turn(self, order: Order) -> LinkStatus:
        """Obey an order. A cut happens first and is written down then; everything else the other way round.

        Errors: those of `turned`; `link-state-unwritable`; `link-door-taken` (the link stays cut).
        """
        async with self._turning:
            return await self._turn(order)

    async def _turn(self, order: Order) -> LinkStatus:
        before = self._valve
        after, effect = turned(before, order)
        if after.mode is LinkMode.CUT:
            self._valve = after
            self._shut()
            self._write(after)
        else:
            self._write(after)
            if before.mode is LinkMode.CUT:
                await self._open_again(before)
            self._valve = after
            self._drop(effect)
        if isinstance(order, Heal):
            for follower in self._followers.values():
                follower.forget()
        _LOG.info("turned", order=msgspec.to_builtins(order), mode=after.mode, delay_ms=after.delay_ms)
        return self.status()

    def status(self) -> LinkStatus:
        """How it stands."""
        return LinkStatus(
            site=self.config.site,
            mode=self._valve.mode,
            delay_ms=self._valve.delay_ms,
            by=self._valve.by,
            reason=self._valve.reason,
            connections=len(self._carriages),
            out_bytes=self._carried_out_bytes + sum(one.out_bytes for one in self._carriages),
            in_bytes=self._carried_in_bytes + sum(one.in_bytes for one in self._carriages),
            listening={name: f"{self._host_of(name)}:{port}" for name, port in self._ports.items()},
            services=[self._service(name) for name in (*self._followers, *self._fixed)],
            certificates=self._certificates,
        )

    def _service(self, name: str) -> ServiceStatus:
        count = sum(one.target is not None and one.target[0] == name for one in self._carriages)
        if (follower := self._followers.get(name)) is None:
            return ServiceStatus(name, self._fixed[name], True, count)
        return ServiceStatus(name, follower.standing.leader, follower.standing.present, count)

    def _write(self, valve: Valve) -> None:
        try:
            write_valve(self._state, valve)
        except OSError as error:
            raise SystemFailed(
                "link-state-unwritable",
                f"{self._state} cannot be written: {error}. "
                + ("The link is cut, but a restart would not know it." if valve.mode is LinkMode.CUT else "No change."),
            ) from error

    async def _open_again(self, before: Valve) -> None:
        try:
            await self._listen()
        except OSError as error:
            self._shut()
            self._write(before)
            raise SystemFailed("link-door-taken", f"The link stays cut: {error}.") from error

    def _drop(self, effect: Effect) -> None:
        for carriage in list(self._carriages):
            if effect is Effect.DROP_ALL or (effect is Effect.DROP_HOLED and carriage.holed):
                carriage.abort()

    async def _listen(self) -> None:
        """Open the doors, each where it was when it was opened first."""
        loop = asyncio.get_running_loop()
        for name in ("", *(entrance.service for entrance in self.config.entrances)):
            secured: dict[str, Any] = (
                {"ssl": self._called, "ssl_handshake_timeout": HANDSHAKE_S_MAX} if not name else {}
            )
            server = await loop.create_server(
                self._accepting(name), self._host_of(name), self._ports.get(name, self._port_of(name)), **secured
            )
            self._servers.append(server)
            self._ports[name] = server.sockets[0].getsockname()[1]

    def _host_of(self, name: str) -> str:
        return host_port(self._address_of(name))[0]

    def _port_of(self, name: str) -> int:
        return host_port(self._address_of(name))[1]

    def _address_of(self, name: str) -> str:
        """Where the door to a service of the other site is; "" is the door for the other end."""
        if not name:
            return self.config.listen
        return next(entrance.listen for entrance in self.config.entrances if entrance.service == name)

    def _accepting(self, name: str) -> Callable[[], Side]:
        def met(side: Side) -> None:
            if self._valve.mode is LinkMode.CUT or self._count() >= self.config.connection_count_max:
                side.abort()
                return
            self._begin(self._carry_out(side, name) if name else self._carry_in(side), side)

        return lambda: Side(met)

    def _count(self) -> int:
        return len(self._carriages) + len(self._greeting)

    def _begin(self, work: Coroutine[Any, Any, None], side: Side) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._greeting[side] = task

        def ended(task: asyncio.Task[None]) -> None:
            self._greeting.pop(side, None)
            if side.carriage is None:
                side.abort()
            if not task.cancelled() and (error := task.exception()) is not None:
                _LOG.error("carrying-failed", error=repr(error))

        task.add_done_callback(ended)

    async def _carry_out(self, near: Side, service: str) -> None:
        """From a process of this site to the other site."""
        if self._valve.mode is LinkMode.BLACKHOLE:
            self._join(near, None, None)
            return
        try:
            far = await call(self.config, self._calling, service)
        except NotCarried as error:
            _LOG.info("not-carried", service=service, why=str(error), way="out")
            return
        self._join(near, far, None)

    async def _carry_in(self, far: Side) -> None:
        """From the other site to where the service is now."""
        assert far.transport is not None
        if self.config.peer not in names_of(far.transport.get_extra_info("peercert")):
            _LOG.warning("stranger", names=sorted(names_of(far.transport.get_extra_info("peercert"))))
            return
        if self._valve.mode is LinkMode.BLACKHOLE:
            self._join(None, far, None)
            return
        try:
            service, address, near = await answer(far, self._destination)
        except NotCarried as error:
            _LOG.info("not-carried", why=str(error), way="in")
            far.write(str(error).encode() + b"\n")
            self._hurry()
            return
        if service in self._followers and is_stale(self._followers[service].standing, address):
            near.abort()
            return
        far.write(OK + b"\n")
        self._join(near, far, (service, address))

    def _destination(self, service: str) -> str | None:
        if service in self._fixed:
            return self._fixed[service]
        return destination(self._followers[service].standing)

    def _join(self, near: Side | None, far: Side | None, target: tuple[str, str] | None) -> None:
        carriage = Carriage(near, far, valve=lambda: self._valve, target=target, over=self._over)
        for side in (near, far):
            if side is not None:
                self._greeting.pop(side, None)
        self._carriages.add(carriage)
        carriage.begin()

    def _over(self, carriage: Carriage) -> None:
        if carriage in self._carriages:
            self._carriages.discard(carriage)
            self._carried_out_bytes += carriage.out_bytes
            self._carried_in_bytes += carriage.in_bytes
            if carriage.target is not None:
                self._hurry(carriage.target[0])

    def _hurry(self, service: str | None = None) -> None:
        for name, follower in self._followers.items():
            if service in (None, name):
                follower.hurry()

    def _leader_changed(self, service: str, standing: Standing) -> None:
        for carriage in list(self._carriages):
            if carriage.target is not None and carriage.target[0] == service and is_stale(standing, carriage.target[1]):
                _LOG.info("dropped", service=service, was=carriage.target[1], leader=standing.leader)
                carriage.abort()

    def _shut(self) -> None:
        """Close the doors, give up what is being dialled, drop what is carried."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        for task in list(self._greeting.values()):
            task.cancel()
        self._drop(Effect.DROP_ALL)
