"""What the launcher requires while Patroni runs: rules (a) and (b), the policy, quorum refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kanjo.sites.guard import HURRY_S, PATIENCE_S, POLL_S, Guard
from kanjo.sites.identify import NoAnswer
from kanjo.sites.identity import Identity, forks_in, lsn_of, position_of, why_not_counted
from kanjo.sites.policy import HELD, RemoteSync, policy_of

PRIMARY = Identity("7", 5, 1000, is_standby=False)
REMOTE = Identity("7", 5, 990, is_standby=True)
REQUIRED = {"remote_sync": {"names": "b1, b2", "mode": "required"}, "synchronous_mode": True}
DETACHED = {"remote_sync": {"names": "b1,b2", "mode": "detached", "by": "sato", "reason": "cloud b lost"}}
STANDBY = REQUIRED | {"standby_cluster": {"host": "link", "port": 7450}}
VERIFIED, WAITING = "FIRST 2 (a2,b1,b2)", "FIRST 2 (a2,remote_unverified)"
HOLD = "FIRST 1 (remote_unverified)"


class World:
    """The surroundings of a guard, to be changed at will."""

    def __init__(self, **dynamic: Any) -> None:
        self.dynamic: dict[str, Any] = dynamic or dict(REQUIRED)
        self.remote: Identity | None = REMOTE
        self.own: Identity | None = PRIMARY
        self.asked_count = 0
        self.now_s = 0.0
        self.meanwhile: Callable[[], object] = lambda: None
        self.guard = Guard(lambda: self.dynamic, self._across, self._here, clock=lambda: self.now_s, sleep=self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.now_s += seconds
        self.meanwhile()

    def _across(self) -> Identity:
        self.asked_count += 1
        if self.remote is None:
            raise NoAnswer("connection refused")
        return self.remote

    def _here(self) -> Identity:
        if self.own is None:
            raise NoAnswer("starting up")
        return self.own

    def value(self, wish: str | None = "a2", *, is_primary: bool = True) -> str | None:
        return self.guard.value(wish, is_primary=is_primary)


def test_rule_a_commits_wait_until_the_other_site_was_seen() -> None:
    """And once it was, it is not asked again."""
    world = World()
    assert world.value() == WAITING

    assert world.guard.see() is False
    assert world.value() == VERIFIED
    world.guard.see()
    assert world.asked_count == 1


@pytest.mark.parametrize(
    "remote",
    [
        None,
        Identity("8", 5, 990, is_standby=True),
        Identity("7", 4, 990, is_standby=True),
        Identity("7", 6, 990, is_standby=True),
        Identity("7", 5, 1001, is_standby=True),
        Identity("7", 5, 990, is_standby=False),
    ],
)
def test_rule_a_whoever_is_not_in_step_does_not_count(remote: Identity | None) -> None:
    """Silent, another database, another timeline, ahead (pitfall 1), or primary itself."""
    world = World()
    world.remote = remote

    assert world.guard.see() is True
    assert world.value() == WAITING


def test_another_site_that_comes_over_is_waited_for() -> None:
    """A moment behind a promotion it may still be on the old timeline; the loop need not turn once more for that."""
    world = World()
    world.remote = Identity("7", 4, 990, is_standby=True)
    world.meanwhile = lambda: setattr(world, "remote", REMOTE) if world.now_s > PATIENCE_S / 2 else None

    assert world.guard.see() is False
    assert world.value() == VERIFIED and world.now_s < PATIENCE_S


def test_nobody_waits_for_a_silent_site_or_when_the_hurry_is_over() -> None:
    """The lease is not renewed meanwhile."""
    world = World()
    world.remote = None
    world.guard.see()
    assert (world.asked_count, world.now_s) == (1, 0.0)

    world.remote = Identity("7", 4, 990, is_standby=True)
    world.guard.see()
    assert world.now_s == pytest.approx(PATIENCE_S, abs=POLL_S)

    world.now_s = HURRY_S
    world.guard.see()
    assert world.now_s == HURRY_S


def test_nobody_takes_the_lock_before_the_heir() -> None:
    """Of a site whose other one was lost, while the timeline lasts on which one node was found to have everything."""
    world = World(remote_sync={"names": "a1", "mode": "detached", "heir": "b1", "timeline": 5})
    assert world.guard.may_lead("b1") and not world.guard.may_lead("b2")

    world.own = Identity("7", 6, 1000, is_standby=True)
    assert world.guard.may_lead("b2")
    world.own = None
    assert not world.guard.may_lead("b2")
    assert World().guard.may_lead("b2")


def test_rule_a_a_silent_server_of_our_own() -> None:
    """Nothing is known then."""
    world = World()
    world.own = None

    assert world.guard.see() is True and world.value() == WAITING


def test_rule_a_a_promotion_forgets() -> None:
    """A new timeline: the other site must be seen on it."""
    world = World()
    world.guard.see()

    world.guard.forget("promotion")

    assert world.value() == WAITING
    world.own = Identity("7", 6, 2000, is_standby=False)
    world.guard.see()
    assert world.value() == WAITING
    world.remote = Identity("7", 6, 2000, is_standby=True)
    world.guard.see()
    assert world.value() == VERIFIED


def test_rule_a_a_standby_forgets() -> None:
    """Before its promotion, when Patroni sets its names, it must not count whom it knew as a primary earlier."""
    world = World()
    world.guard.see()

    assert world.value(is_primary=False) == WAITING
    assert world.value() == WAITING


def test_rule_b_a_demotion_releases_nobody() -> None:
    """Told to be a standby while still primary, in either mode."""
    world = World()
    world.guard.see()
    for dynamic in (STANDBY, STANDBY | DETACHED):
        world.dynamic = dict(dynamic)
        assert world.value() == HOLD
        assert world.guard.see() is False
        assert world.value(None) == HOLD


def test_rule_c_quorum_holds() -> None:
    """Also through the next sync step, which has only the held value to go by."""
    world = World(**REQUIRED | {"synchronous_mode": "quorum"})

    assert world.value("ANY 1 (a2)") == HOLD
    world.guard.see()
    assert world.value(world.guard.wish_behind(HOLD)) == HOLD


def test_an_unsafe_wish_holds_until_there_is_a_better_one() -> None:
    """The wish is remembered: nothing is made of the held value itself."""
    world = World()
    world.guard.see()

    assert world.value("a2,a3") == HOLD
    assert world.guard.wish_behind(HOLD) == "a2,a3"
    assert world.value() == VERIFIED


def test_a_policy_is_taken_in_at_the_next_step() -> None:
    """Detached by a record (R9); required again only after another look."""
    world = World()
    world.guard.see()
    world.dynamic = dict(DETACHED)

    assert world.guard.see() is False
    assert world.value() == "a2" and world.value(None) is None

    world.dynamic = dict(REQUIRED)
    assert world.value() == WAITING
    world.guard.see()
    assert world.value() == VERIFIED


@pytest.mark.parametrize("kept", [None, {}, {"names": "b1"}, {"mode": "required"}, {"names": "b1", "mode": "off"}, 7])
def test_a_missing_policy_answers_nobody(kept: Any) -> None:
    """R9: what cannot be read is no decision to do without the other site."""
    world = World(remote_sync=kept)
    world.guard.see()

    assert policy_of(world.dynamic) == HELD
    assert world.value() == WAITING


def test_the_policy_of_a_dynamic_configuration() -> None:
    """Names are listed with commas; keys of later versions are left alone."""
    found = policy_of({"remote_sync": {"names": "b1, b2,", "mode": "required", "since": "later"}})

    assert found == RemoteSync(names="b1, b2,", mode="required") and found.remote_names == ("b1", "b2")


def test_the_wish_behind_a_value() -> None:
    """Ours is known; what another process wrote is read back."""
    world = World()
    world.value("a2")

    assert world.guard.wish_behind(WAITING) == "a2"
    assert world.guard.wish_behind("FIRST 3 (a2,a3,b1)") == "2 (a2,a3)"
    assert world.guard.wish_behind("FIRST 1 (b1,b2)") is None
    assert world.guard.wish_behind(None) is None


def test_hurry_has_an_end() -> None:
    """A link that is away for hours is asked for once a loop, not several times a second."""
    world = World()
    world.remote = None
    assert world.guard.see() is True

    world.now_s = HURRY_S + 1
    assert world.guard.see() is False
    world.guard.forget("promotion")
    assert world.guard.see() is True


def test_a_decision_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """One line when it changes, none when it stays."""
    world = World()
    world.remote = None
    with caplog.at_level("INFO", logger="kanjo.sites.launcher"):
        for _ in range(3):
            world.guard.see()
        world.remote = REMOTE
        world.guard.see()

    said = [record.getMessage() for record in caplog.records if "policy" not in record.getMessage()]
    assert said == [
        "kanjo sites: decision=hold reason=remote-silent connection refused",
        "kanjo sites: decision=count-remote",
    ]


def test_positions() -> None:
    """As PostgreSQL writes them, and back."""
    assert position_of("16/B374D848") == 0x16B374D848 and lsn_of(0x16B374D848) == "16/B374D848"
    assert position_of("0/0") == 0
    with pytest.raises(ValueError, match="not enough"):
        position_of("16")
    assert forks_in("1\t0/5000028\tno recovery target specified\n\n4\t1/0\twhy\n") == ((1, 0x5000028), (4, 1 << 32))
    assert why_not_counted(PRIMARY, REMOTE) is None
