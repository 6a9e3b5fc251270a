"""How a connection gets across: the greeting between the ends, and the dialling on either side.

The end that took a plain connection calls the other end by TLS and names a service; that one connects to where the
service is now and says `ok`. Only then do bytes flow.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Protocol

from kanjo.sites.link.carriage import Side
from kanjo.sites.link.config import EndConfig, host_port

DIAL_S_MAX = 5.0
GREETING = b"kanjo-link-1 "
OK = b"ok"


class NotCarried(Exception):
    """The connection could not be carried; says why."""


class Destinations(Protocol):
    """Where services are."""

    def __call__(self, service: str) -> str | None:
        """HOST:PORT of a service now; None while it is nowhere. Raises `KeyError` for an unknown one."""


async def call(config: EndConfig, context: ssl.SSLContext, service: str) -> Side:
    """Reach a service of the other site: a side whose other end is connected there. Raises `NotCarried`."""
    far = Side()
    host, port = host_port(config.other)
    try:
        async with asyncio.timeout(DIAL_S_MAX):
            await asyncio.get_running_loop().create_connection(
                lambda: far, host, port, ssl=context, server_hostname=config.peer
            )
            _keep_alive(far)
            far.write(GREETING + service.encode() + b"\n")
            answer = await far.line()
    except (OSError, ssl.SSLError, TimeoutError) as error:
        far.abort()
        raise NotCarried(f"the other end does not answer: {error or type(error).__name__}") from error
    except BaseException:
        far.abort()
        raise
    if answer != OK:
        far.abort()
        raise NotCarried(answer.decode("utf-8", "replace"))
    return far


async def answer(far: Side, destination: Destinations) -> tuple[str, str, Side]:
    """Serve a call from the other end: service, address, and the side that leads there. Raises `NotCarried`.

    `ok` is for the caller of this function to say, once both sides are joined.
    """
    try:
        async with asyncio.timeout(DIAL_S_MAX):
            _keep_alive(far)
            greeting = await far.line()
            service = greeting.removeprefix(GREETING).decode("utf-8", "replace")
            if not greeting.startswith(GREETING):
                raise NotCarried("not a greeting of this link's kind")
            return service, *await _reach(service, destination)
    except (OSError, TimeoutError) as error:
        raise NotCarried(f"not reached: {error or type(error).__name__}") from error


async def _reach(service: str, destination: Destinations) -> tuple[str, Side]:
    try:
        address = destination(service)
    except KeyError:
        raise NotCarried(f"there is no service {service} here") from None
    if address is None:
        raise NotCarried(f"nobody leads {service} now")
    near = Side()
    host, port = host_port(address)
    await asyncio.get_running_loop().create_connection(lambda: near, host, port)
    return address, near


def _keep_alive(side: Side) -> None:
    """Notice within half a minute that the other end's machine is gone."""
    assert side.transport is not None
    found = side.transport.get_extra_info("socket")
    for option, value in ((socket.TCP_KEEPIDLE, 10), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 4)):
        found.setsockopt(socket.IPPROTO_TCP, option, value)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
