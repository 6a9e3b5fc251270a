"""Keep asking who leads, at a steady pace, and at once when something looks as if it had changed."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable

import structlog

from kanjo.sites.link.ask import ask_all
from kanjo.sites.link.config import Followed
from kanjo.sites.link.leader import Standing, following

PACE_S_MIN = 0.05
"""However often it is hurried, a node is not asked more often than this."""
_LOG = structlog.get_logger()


class Follower:
    """Knows the leader of one service; tells when its standing has changed."""

    def __init__(
        self,
        service: Followed,
        *,
        every_s: float,
        timeout_s: float,
        context: ssl.SSLContext,
        changed: Callable[[str, Standing], None],
    ) -> None:
        self.service = service
        self.standing = Standing()
        self._every_s = every_s
        self._timeout_s = timeout_s
        self._context = context
        self._changed = changed
        self._hurried = asyncio.Event()

    def hurry(self) -> None:
        """Ask again now: a connection to the leader failed or ended."""
        self._hurried.set()

    def forget(self) -> None:
        """Believe older timelines again: somebody has put the link in order, perhaps with a cluster made anew."""
        self.standing = Standing(self.standing.leader, None, self.standing.present)
        self.hurry()

    async def follow(self) -> None:
        """Ask until cancelled."""
        while True:
            self._hurried.clear()
            before = self.standing
            claims = await ask_all(self.service, self._timeout_s, self._context)
            if self.standing is before:
                self.standing = following(before, claims)
            if self.standing != before:
                _LOG.info(
                    "leader", service=self.service.name, leader=self.standing.leader, present=self.standing.present
                )
                self._changed(self.service.name, self.standing)
            await asyncio.sleep(PACE_S_MIN)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurried.wait(), self._every_s)
