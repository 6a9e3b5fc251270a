"""What the launcher knows while Patroni runs: the policy, whether the other site was verified, and Patroni's wish.

It answers one question, which value synchronous_standby_names shall have now, and asks across the link only when it has
forgotten. It forgets whenever that could have become untrue: at a promotion, on a node that is no primary, and when the
policy changes (rule a).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from kanjo.errors import Refused
from kanjo.sites.identify import NoAnswer
from kanjo.sites.identity import Identity, why_not_counted
from kanjo.sites.names import HOLD, render, strip
from kanjo.sites.policy import RemoteSync, circumstances, is_standby, policy_of

logger = logging.getLogger("kanjo.sites.launcher")

HURRY_S = 15.0
"""So long after forgetting, the other site is asked for more often than once a loop; then it may be away for hours."""

PATIENCE_S, POLL_S = 1.0, 0.1
"""So long the other site is watched coming over; the lease is not renewed meanwhile."""


class Guard:
    """One node's; `dynamic` gives Patroni's dynamic configuration, `across` and `here` identify the two servers."""

    def __init__(
        self,
        dynamic: Callable[[], Mapping[str, Any]],
        across: Callable[[], Identity],
        here: Callable[[], Identity],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._dynamic, self._across, self._here, self._clock, self._sleep = dynamic, across, here, clock, sleep
        self._policy: RemoteSync | None = None
        self._heard = False
        self._verified = False
        self._wish: str | None = None
        self._written: str | None = None
        self._said = ""
        self._hurry_until_s = clock() + HURRY_S

    def value(self, wish: str | None, *, is_primary: bool) -> str | None:
        """The value for Patroni's wish as things stand; `HOLD` for a wish that would be unsafe."""
        if not is_primary:
            self._verified = False
        dynamic = self._dynamic()
        self._heed(policy_of(dynamic))
        self._wish = wish
        self._written = self._rendered(wish, dynamic)
        return self._written

    def wish_behind(self, value: str | None) -> str | None:
        """What Patroni wanted when that value came to stand in its parameters."""
        return self._wish if value == self._written else strip(value) or None

    def forget(self, why: str) -> None:
        """The other site counts for nothing until it is seen on our timeline (again)."""
        self._verified = False
        self._hurry_until_s = self._clock() + HURRY_S
        self._say(f"decision=forget reason={why}")

    def follows_through(self, slot: str | None) -> bool:
        """Whether that is the one slot that the other site keeps for ours."""
        section = self._dynamic().get("standby_cluster") or {}
        return slot is not None and slot == section.get("primary_slot_name")

    def may_lead(self, name: str) -> bool:
        """Whether a node may take its site's lock: not before the heir, if another one has what was answered.

        The gate would refuse it, but by then Patroni has noted it as the only one that may be promoted.
        """
        policy = policy_of(self._dynamic())
        if policy.heir in ("", name):
            return True
        with suppress(NoAnswer):
            if self._here().timeline > policy.timeline:
                return True
        self._say(f"decision=stand-back heir={policy.heir}")
        return False

    def see(self) -> bool:
        """Before a sync step of the primary: take in the policy, verify if need be.

        For a moment behind a promotion, another site that answers is given time to come over. Whether it should be
        asked again soon.
        """
        dynamic = self._dynamic()
        policy = policy_of(dynamic)
        self._heed(policy)
        if self._verified or policy.mode == "detached" or is_standby(dynamic):
            return False
        until_s = min(self._clock() + PATIENCE_S, self._hurry_until_s)
        while (why := self._why_not_counted()) is not None and self._heard and self._clock() < until_s:
            self._sleep(POLL_S)
        self._verified = why is None
        self._say("decision=count-remote" if why is None else f"decision=hold reason={why}")
        return not self._verified and self._clock() < self._hurry_until_s

    def _heed(self, policy: RemoteSync) -> None:
        if policy != self._policy:
            self._policy = policy
            self.forget(f"policy mode={policy.mode} names={policy.names} by={policy.by!r} why={policy.reason!r}")

    def _rendered(self, wish: str | None, dynamic: Mapping[str, Any]) -> str | None:
        around = circumstances(policy_of(dynamic), remote_verified=self._verified, is_standby_site=is_standby(dynamic))
        try:
            if str(dynamic.get("synchronous_mode")).lower() == "quorum":
                raise Refused("names-refused", "synchronous_mode is quorum: set it to on")
            return render(wish, around)
        except Refused as refused:
            self._say(f"decision=hold reason={refused.code} {refused.message}", logging.ERROR)
            return HOLD

    def _why_not_counted(self) -> str | None:
        """The other site is asked first: what it has by then, we had flushed, unless it is ahead."""
        self._heard = False
        try:
            remote = self._across()
            self._heard = True
        except NoAnswer as error:
            return f"remote-silent {error}"
        try:
            return why_not_counted(self._here(), remote)
        except NoAnswer as error:
            return f"own-server-silent {error}"

    def _say(self, text: str, level: int = logging.INFO) -> None:
        """One line for each decision; the same one is not said again every loop."""
        if text != self._said:
            self._said = text
            logger.log(level, "kanjo sites: %s", text.replace("\n", " "))
