"""Whether the node that leads a standby site has everything that was answered (multicloud.md 6, pitfall 15).

An answer waits for one node of the standby site, the one that follows the serving site through the one slot: its
leader. The others follow that one and may be behind. So a leader has everything once it was seen as far as the serving
site was, and as long as it leads without a break. Whoever leads after it must have come as far itself.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress

from kanjo.sites.identify import NoAnswer
from kanjo.sites.identity import Identity

logger = logging.getLogger("kanjo.sites.launcher")

TAG = "has_all_answers"
"""The tag under which the node's Patroni says so."""


class Tenure:
    """One node's; `across` and `here` identify the two servers."""

    def __init__(self, across: Callable[[], Identity], here: Callable[[], Identity]) -> None:
        self._across, self._here = across, here
        self._lease: str | None = None
        self._goal: Identity | None = None
        self.has_all = False

    def look(self, lease: str | None, follows: Callable[[], bool]) -> None:
        """Once a loop. `lease`: that of the lock which this node holds as a standby, None for every other node;
        `follows`: whether it streams through the slot, so that nobody else can be counted meanwhile.
        """
        if lease != self._lease:
            self._lease, self._goal, self.has_all = lease, None, False
        if lease is None or self.has_all:
            return
        with suppress(NoAnswer):
            if not follows():
                self._goal = None
            elif self._goal is None:
                self._goal = self._across()
            else:
                self._compare(self._goal, self._here())

    def _compare(self, goal: Identity, own: Identity) -> None:
        if own.timeline != goal.timeline:
            self._goal = None
        elif own.position >= goal.position:
            self.has_all = True
            logger.info("kanjo sites: decision=has-all-answers lease=%s", self._lease)
