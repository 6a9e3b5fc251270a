"""What a tired operator is told, from what was found; every case without a process."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from kanjo.sites import last_word
from kanjo.sites.mutual_tls import Validity
from kanjo.sites.operate.commit_level import Levels, Override
from kanjo.sites.operate.standing import (
    Follower,
    LeaderFacts,
    Loss,
    NodeFacts,
    RegisterFacts,
    SiteFacts,
    Standing,
    Vote,
    certificates,
    does_not_start,
    how_to_copy,
    may_lack,
    standing,
)
from kanjo.sites.tenure import TAG
from kanjo.sites.topology import Mode


def register(mode: Mode = "required", site: str = "a") -> RegisterFacts:
    return RegisterFacts(site=site, epoch=4, mode=mode, reason="why", by=("hanako", "taro"), at="2026-08-25T09:00:00Z")


def following(name: str, *, lag_bytes: int = 0, is_sync: bool = True) -> Follower:
    return Follower(name=name, streaming=True, is_sync=is_sync, lag_bytes=lag_bytes, lag_s=0.5)


def site_a(*followers: Follower, mode: Mode = "required", **more: Any) -> SiteFacts:
    """The serving site: a1 takes writes at position 1000."""
    found: dict[str, Any] = {
        "name": "a",
        "mode": mode,
        "leader": "a1",
        "link": "open",
        "nodes": (NodeFacts(name="a1", told={"role": "primary", "state": "running", "timeline": 1}),),
        "database": LeaderFacts(writes=True, rule="FIRST 2 (a2,b1,b2)", position=1000, followers=followers),
    }
    return SiteFacts(**(found | more))


def site_b(**more: Any) -> SiteFacts:
    """The standby site: b1 leads it and has everything, b2 follows b1 and has 900 bytes."""
    follows = {"role": "replica", "state": "running", "replication_state": "streaming", "timeline": 1}
    leads = follows | {"tags": {TAG: True}}
    told = follows | {"xlog": {"received_location": 900}}
    found: dict[str, Any] = {
        "name": "b",
        "mode": "required",
        "leader": "b1",
        "link": "open",
        "nodes": (NodeFacts(name="b1", told=leads), NodeFacts(name="b2", told=told)),
        "database": LeaderFacts(writes=False),
    }
    return SiteFacts(**(found | more))


def node(found: Standing, name: str) -> tuple[str, bool, int | None]:
    [one] = [node for node in found.nodes if node.name == name]
    return one.role, one.in_step, one.lag_bytes


def test_in_step_nothing_is_lost() -> None:
    """Roles, who is in step, and the lag of a cascade from its own position."""
    found = standing(register(), (site_a(following("b1")), site_b()))

    assert found.loss == Loss(nothing=True, bytes=0, seconds=0.0, why="an answer waits for the other site")
    assert node(found, "a1") == ("primary", False, None)
    assert node(found, "b1") == ("standby-leader", True, 0)
    assert node(found, "b2") == ("replica", False, 100)
    assert found.warnings == ()


def test_well_is_when_everybody_follows_and_nothing_calls_for_an_operator() -> None:
    """One node of each site in step, every state settled, no warning."""
    streams = {"role": "replica", "state": "running", "replication_state": "streaming"}
    b = site_b(nodes=(NodeFacts(name="b1", told=streams), NodeFacts(name="b2", told=streams)))
    a = site_a(following("a2"), following("b1"))
    a = msgspec.structs.replace(a, nodes=(*a.nodes, NodeFacts(name="a2", told=streams)))

    assert standing(register(), (a, b)).is_well
    starts = {"role": "replica", "state": "starting"}
    late = site_b(nodes=(NodeFacts(name="b1", told=streams), NodeFacts(name="b2", told=starts)))
    assert not standing(register(), (a, late)).is_well
    assert not standing(register("detached"), (a, b)).is_well
    assert not standing(register(), (site_a(following("b1")), b)).is_well


def test_out_of_step_no_answer_leaves_so_nothing_is_lost() -> None:
    """Required and b's leader cut off, which has all: the bank stands, and loses nothing."""
    found = standing(register(), (site_a(), site_b()))

    assert found.loss.nothing and found.loss.why == "no answer leaves: the other site is not in step"


def test_answers_of_a_node_that_is_gone_too_could_be_lost_with_a() -> None:
    """Nobody of b is there: what was answered is in a alone until one with its data is back."""
    found = standing(register(), (site_a(), site_b(database=None, leader=None, nodes=(NodeFacts(name="b1"),))))

    assert (found.loss.nothing, found.loss.bytes) == (False, None)
    assert found.loss.why == (
        "no answer leaves: the other site is not in step; nobody leads it, and b1 may have answers and does not answer"
    )
    assert node(found, "b1") == ("silent", False, None)
    assert found.warnings == ("no answer leaves: no node of the other site is in step", "b1 does not answer")


def test_a_lost_vote_is_said_before_it_stops_the_site() -> None:
    """One of three: nothing happens, and none is to spare. Two: no node can lead, and that is why."""

    def votes(*silent: str) -> tuple[Vote, ...]:
        return tuple(Vote(name, name not in silent) for name in ("etcd-a1", "etcd-a2", "etcd-a3"))

    def told(*silent: str) -> tuple[str, ...]:
        return standing(register(), (site_a(following("b1"), votes=votes(*silent)), site_b())).warnings

    assert told() == ()
    assert told("etcd-a1") == ("site a can spare no more vote: etcd-a1 silent",)
    assert told("etcd-a1", "etcd-a3") == ("site a has no quorum, so no node of it can lead: etcd-a1, etcd-a3 silent",)


def test_detached_says_how_much() -> None:
    """As much as the best node of the other site is behind."""
    found = standing(register("detached"), (site_a(following("b1", lag_bytes=70), mode="detached"), site_b()))

    assert (found.loss.nothing, found.loss.bytes, found.loss.seconds) == (False, 70, 0.5)
    assert found.warnings == ("detached since epoch 4: why",)


def test_detached_with_nobody_there_is_an_unknown_loss() -> None:
    """No figure is better than a wrong one."""
    gone = site_b(database=None, leader=None, nodes=(NodeFacts(name="b1"),), link=None, mode=None)

    found = standing(register("detached"), (site_a(mode="detached"), gone))

    assert (found.loss.nothing, found.loss.bytes) == (False, None)


def test_one_record_that_says_detached_is_enough_to_lose_something() -> None:
    """The register says required but the site itself answers alone: what counts is the worse."""
    found = standing(register(), (site_a(following("b1", lag_bytes=70), mode="detached"), site_b()))

    assert not found.loss.nothing
    assert "the register says required, site a itself says detached" in found.warnings


@pytest.mark.parametrize("rule", ["", "a2", "ANY 1 (a2,b1)"])
def test_a_rule_in_force_that_waits_for_nobody_across_belies_both_records(rule: str) -> None:
    """Somebody's ALTER SYSTEM stands over the policy: nothing else would show that answers leave."""
    a = site_a(database=LeaderFacts(writes=True, rule=rule, position=1000, followers=(following("b1", is_sync=False),)))

    found = standing(register(), (a, site_b()))

    assert not found.loss.nothing
    assert found.warnings == (f"ANSWERS LEAVE WITHOUT THE OTHER SITE: a1 waits for {rule or 'nobody'}",)


def lowered(levels: Levels) -> Standing:
    """a1 waits for b1, whose commits wait as long as that says."""
    database = LeaderFacts(
        writes=True, rule="FIRST 2 (a2,b1,b2)", levels=levels, position=1000, followers=(following("b1"),)
    )
    return standing(register(), (site_a(database=database), site_b()))


@pytest.mark.parametrize(
    ("levels", "warning"),
    [
        (Levels(level="local"), "a1 says synchronous_commit = local: it must say on"),
        (Levels(demanded=""), "a1 says kanjo.synchronous_commit = nothing: it must say on"),
        (
            Levels(overrides=(Override("kanjo", "", "synchronous_commit=local"),)),
            'synchronous_commit=local stands apart from the configuration: ALTER ROLE "kanjo" RESET synchronous_commit',
        ),
        (
            Levels(overrides=(Override("", "kanjo", "kanjo.synchronous_commit=off"),)),
            "kanjo.synchronous_commit=off stands apart from the configuration: "
            'ALTER DATABASE "kanjo" RESET kanjo.synchronous_commit',
        ),
        (
            Levels(overrides=(Override("kanjo", 'ba"nk', "synchronous_commit=on"),)),
            "synchronous_commit=on stands apart from the configuration: "
            'ALTER ROLE "kanjo" IN DATABASE "ba""nk" RESET synchronous_commit',
        ),
        (
            Levels(overrides=(Override("", "", "synchronous_commit=off"),)),
            "synchronous_commit=off stands apart from the configuration: ALTER ROLE ALL RESET synchronous_commit",
        ),
    ],
)
def test_one_setting_of_how_long_a_commit_waits_is_told_with_its_remedy(levels: Levels, warning: str) -> None:
    """Pitfall 21. Lowered alone it lets no answer leave: the ledger compares it with the other one."""
    found = lowered(levels)

    assert found.warnings == (warning,)
    assert found.loss.nothing


@pytest.mark.parametrize(
    "levels",
    [
        Levels(level="local", demanded="local"),
        Levels(level="remote_write", demanded=""),
        Levels(
            overrides=(
                Override("kanjo", "", "synchronous_commit=local"),
                Override("", "kanjo", "kanjo.synchronous_commit=local"),
            )
        ),
        Levels(demanded="off", overrides=(Override("kanjo", "", "Synchronous_Commit=local"),)),
    ],
)
def test_both_settings_lowered_let_answers_leave(levels: Levels) -> None:
    """Whomever the server waits for: nobody may read "nothing would be lost" then."""
    found = lowered(levels)

    assert not found.loss.nothing
    assert found.warnings[0] == "ANSWERS LEAVE WITHOUT THE OTHER SITE: a1 lets commits go too early"


def test_a_paused_patroni_is_told() -> None:
    """Pitfall 19: nothing fails over, and nothing else would show it."""
    found = standing(register(), (site_a(following("b1"), is_paused=True), site_b()))

    assert found.warnings == ("Patroni is paused at site a: no node takes over there until it is resumed",)


@pytest.mark.parametrize(
    ("state", "writes", "told"), [("running", False, True), ("streaming", False, False), ("running", True, False)]
)
def test_a_gate_that_refuses_is_told_as_long_as_its_node_waits(state: str, writes: bool, told: bool) -> None:
    """With the reason; one that follows again, or serves, is no case for an operator."""
    says = {"state": state, "tags": {last_word.TAG: "other-site-silent"}}
    a = site_a(following("b1"), nodes=(NodeFacts(name="a1", told=says, writes=writes),))

    warnings = standing(register(), (a, site_b())).warnings

    assert ("a1's gate does not let it take over: other-site-silent" in warnings) is told


def test_a_silent_register_means_nobody_knows() -> None:
    """And no site counts as serving."""
    found = standing(None, (site_a(following("b1")), site_b()))

    assert not found.loss.nothing and found.loss.bytes is None
    assert [site.serving for site in found.sites] == [False, False]


def test_two_sites_that_take_writes_come_first_among_the_warnings() -> None:
    """After a promotion while the old site lives on behind the cut link."""
    alone = site_b(mode="detached", database=LeaderFacts(writes=True, position=1000), link="cut")

    found = standing(register("detached", "b"), (site_a(), alone))

    assert found.warnings[0].startswith("both sites take writes (a and b)")
    assert found.warnings[1] == "site a takes writes, but the register names b: leave its policy alone"
    assert "the link is cut at site b" in found.warnings


def test_a_silent_register_is_said_and_lags_are_still_shown() -> None:
    """Nobody can decide then; customers are served, and the primary that writes tells who is behind."""
    now = standing(None, (site_a(following("b1", lag_bytes=7)), site_b()))

    assert any("the register does not answer" in warning for warning in now.warnings)
    assert next(node.lag_bytes for node in now.nodes if node.name == "b1") == 7
    assert not now.loss.nothing


def test_a_database_without_its_patroni_is_not_overlooked() -> None:
    """Pitfall 8: it takes writes that nobody confirms, and keeps whoever is connected."""
    half_dead = site_a(nodes=(NodeFacts(name="a1", writes=True), NodeFacts(name="a2")))

    warnings = standing(register(), (half_dead, site_b())).warnings

    assert any(warning.startswith("a1's Patroni is gone") for warning in warnings)
    assert "a2 does not answer" in warnings


def test_positions_of_another_timeline_say_nothing() -> None:
    """A fenced site that lives on has log of its own: it is not "0 bytes behind", nobody knows how much it lacks."""
    old = site_a(nodes=(NodeFacts(name="a1", told={"timeline": 1, "xlog": {"received_location": 5000}}),), leader=None)
    new = site_b(
        mode="detached",
        nodes=(NodeFacts(name="b1", told={"role": "primary", "state": "running", "timeline": 2}),),
        database=LeaderFacts(writes=True, position=1000),
    )

    now = standing(register("detached", "b"), (old, new))

    assert (now.loss.nothing, now.loss.bytes) == (False, None)


def test_a_node_that_follows_nobody_is_named() -> None:
    """Its state alone, "running" or "stopped", is easily read as well."""
    lonely = site_b(nodes=(NodeFacts(name="b1", told={"role": "replica", "state": "stopped"}),), leader=None)

    assert "b1 follows nobody now (stopped)" in standing(register(), (site_a(), lonely)).warnings


def test_who_cannot_be_started_is_told_with_the_way_out() -> None:
    """Patroni would try it for ever; a person moves its folder aside."""
    stuck = {"role": "replica", "state": "start failed"}
    found = standing(register(), (site_a(), site_b(leader=None, nodes=(NodeFacts(name="b1", told=stuck),))))

    assert does_not_start(stuck)
    assert not does_not_start(None) and not does_not_start(stuck | {"state": "starting"})
    assert how_to_copy("b1") in found.warnings and not [told for told in found.warnings if "follows nobody" in told]


@pytest.mark.parametrize("mode", ["cut", "blackhole", None])
def test_a_link_that_is_not_open_is_one_warning(mode: str | None) -> None:
    """Also one whose end at a site does not run, or is out of the desk's reach."""
    link = site_b(link=mode)
    says = "does not answer" if mode is None else f"is {mode}"

    assert standing(register(), (site_a(following("b1")), link)).warnings == (f"the link {says} at site b",)


def told_at(received: int, replayed: int = 0, **more: Any) -> dict[str, Any]:
    """What a node of b says of itself."""
    xlog = {"received_location": received, "replayed_location": replayed, "replayed_timestamp": "09:00"}
    return {"replication_state": "streaming", "timeline": 3, "xlog": xlog} | more


LEADS = NodeFacts(name="b2", told=told_at(900))
MAY_HAVE = "and may have answers that b2 has not, whose last transaction is of 09:00"


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (None, f"b1 does not answer, {MAY_HAVE}"),
        (told_at(900), ""),
        (told_at(500), ""),
        (told_at(500, 901), "b1 has 1 bytes of log that b2, which leads, has not"),
        (told_at(1900), "b1 has 1,000 bytes of log that b2, which leads, has not"),
        (told_at(500, replication_state=None), f"b1 does not follow b2, which leads, {MAY_HAVE}"),
        (told_at(500, timeline=2), f"b1 does not follow b2, which leads, {MAY_HAVE}"),
    ],
)
def test_a_new_leader_of_b_may_lack_what_another_node_of_b_has(other: dict[str, Any] | None, why: str) -> None:
    """Pitfall 15: unless the other one streams from it, and so has shown all that it has."""
    b = site_b(leader="b2", nodes=(NodeFacts(name="b1", told=other), LEADS))

    assert may_lack(b) == why


def test_a_leader_that_has_led_all_the_time_lacks_nothing() -> None:
    """Whatever became of the others; and a site that takes writes lacks nothing of its own."""
    b = site_b(nodes=(NodeFacts(name="b1", told=told_at(900, tags={TAG: True})), NodeFacts(name="b2")))

    assert may_lack(b) == ""
    assert may_lack(msgspec.structs.replace(b, leader="b2", database=LeaderFacts(writes=True))) == ""
    assert may_lack(site_b(leader=None)) == "nobody leads it now"


MIB = 1 << 20


def kept(kept_mib: int, left_mib: int, *followers: Follower, log_from: int = 0) -> SiteFacts:
    """a keeps so much log for b, and so much more may come."""
    database = LeaderFacts(
        writes=True,
        position=200 * MIB,
        followers=followers,
        slot_bytes=kept_mib * MIB,
        slot_left_bytes=left_mib * MIB,
        log_from=log_from,
    )
    return site_a(mode="detached", database=database)


def standing_at(position: int) -> SiteFacts:
    """b1 follows nobody any more and has log up to there; started again, it knows only what it has replayed."""
    told = {"role": "replica", "state": "running", "timeline": 1}
    xlog = {"received_location": 0, "replayed_location": position}
    return site_b(nodes=(NodeFacts(name="b1", told=told | {"xlog": xlog}),))


@pytest.mark.parametrize(
    ("kept_mib", "left_mib", "warning"),
    [
        (40, 60, None),
        (
            60,
            40,
            "site a keeps 60 MiB of log for the other site and drops it after 40 MiB more: that site must be copied "
            "anew then",
        ),
        (
            110,
            -10,
            "site a keeps 110 MiB of log for the other site and drops it at its next checkpoint: that site must be "
            "copied anew then",
        ),
    ],
)
def test_a_slot_is_told_when_half_of_its_limit_is_spent(kept_mib: int, left_mib: int, warning: str | None) -> None:
    """In time to bring the other site back, and when it is nearly too late."""
    found = standing(register("detached"), (kept(kept_mib, left_mib), standing_at(199 * MIB)))

    assert [told for told in found.warnings if "keeps" in told] == ([] if warning is None else [warning])


def test_a_site_whose_log_was_dropped_is_told() -> None:
    """By where it is, not by the slot, which Patroni makes anew within a second."""
    told = "site b cannot follow: the log it needs was dropped; every node there must be copied anew"

    def warnings(a: SiteFacts, b: SiteFacts) -> tuple[str, ...]:
        return standing(register("detached"), (a, b)).warnings

    log_from = 96 * MIB
    assert told in warnings(kept(0, 100, log_from=log_from), standing_at(95 * MIB))
    assert told not in warnings(kept(0, 100, log_from=log_from), standing_at(96 * MIB))
    assert told not in warnings(kept(0, 100, following("b1"), log_from=log_from), standing_at(95 * MIB))
    assert told not in warnings(kept(0, 100, log_from=log_from), standing_at(0))


def test_a_certificate_is_warned_of_before_it_ends() -> None:
    """The first to end first, each told once however many use it; behind one that ended nothing new is carried."""
    now = datetime(2026, 8, 25, 9, tzinfo=UTC)
    authority, far = (Validity(name, now + timedelta(days=30)) for name in ("authority", "register"))
    near, over = Validity("link-a", now + timedelta(days=29, hours=23)), Validity("link-b", now - timedelta(hours=1))

    def told(*found: Validity) -> tuple[str, ...]:
        return standing(register(), (site_a(following("b1")), site_b()), certificates(found, now, 30)).warnings

    assert told(far, authority, authority) == ()
    assert told(far, near, over, near) == (
        "the certificate of link-b ended on 2026-08-25: renew it now",
        "the certificate of link-a ends on 2026-09-24, in 29 days: renew it",
    )
