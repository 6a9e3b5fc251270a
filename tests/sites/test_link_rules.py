"""The link's decisions, without a socket: whom to follow, what to close, how orders turn the valve."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanjo.errors import Refused, WrongUsage
from kanjo.sites.link.leader import Claim, Standing, destination, following, is_stale
from kanjo.sites.link.valve import Blackhole, Cut, Delay, Effect, Heal, LinkMode, Order, Valve, turned
from kanjo.sites.link.valve_file import read_valve, write_valve

KNOWN = Standing("a1", 3, True)


def test_pitfall_10_a_leader_that_is_gone_for_a_moment_keeps_its_connections() -> None:
    """Nothing is closed, nothing new is sent to it; when it is back, all goes on."""
    gone = following(KNOWN, [])

    assert gone == Standing("a1", 3, False)
    assert not is_stale(gone, "a1") and destination(gone) is None
    assert following(gone, [Claim("a1", 3)]) == KNOWN


def test_pitfall_9_a_different_leader_closes_what_leads_to_the_old_one() -> None:
    """At once, also when the old one was seen gone before."""
    for before in (KNOWN, following(KNOWN, [])):
        after = following(before, [Claim("a2", 4)])

        assert is_stale(after, "a1") and not is_stale(after, "a2")
        assert destination(after) == "a2"


def test_of_two_that_claim_the_newer_timeline_leads() -> None:
    """A deposed leader that has not noticed yet does not win; two equal claims are nobody's."""
    assert following(KNOWN, [Claim("a1", 3), Claim("a2", 4)]).leader == "a2"
    assert following(KNOWN, [Claim("a1", 3), Claim("a2", 3)]) == Standing("a1", 3, False)


def test_a_leader_that_wakes_up_deposed_is_passed_over() -> None:
    """It was frozen, a2 took over on timeline 4; a2 is silent for a moment and a1 still says that it leads."""
    after = following(following(KNOWN, [Claim("a2", 4)]), [Claim("a1", 3)])

    assert after == Standing("a2", 4, False)


def test_a_claim_without_a_timeline_counts() -> None:
    """A node that holds the lock and is not promoted yet does not tell one; what was seen is remembered."""
    assert following(KNOWN, [Claim("a2", None)]) == Standing("a2", 3, True)


claims = st.lists(
    st.builds(Claim, st.sampled_from(["a1", "a2", "a3"]), st.one_of(st.none(), st.integers(1, 4))), max_size=3
)


@given(st.lists(claims, max_size=12))
def test_whatever_is_claimed_only_a_different_leader_closes(rounds: list[list[Claim]]) -> None:
    """Timelines never go back, silence closes nothing, and what is followed was claimed."""
    standing = Standing()
    for round_claims in rounds:
        after = following(standing, round_claims)
        assert (after.timeline or 0) >= (standing.timeline or 0)
        if not after.present:
            assert after.leader == standing.leader
            assert not any(is_stale(after, one) for one in ("a1", "a2", "a3"))
        else:
            assert after.leader in {claim.address for claim in round_claims}
            assert after.leader is not None and not is_stale(after, after.leader)
        standing = after


def test_only_heal_lifts_a_cut() -> None:
    """A fence is not loosened by another order, and keeps the name of who set it."""
    cut, effect = turned(Valve(delay_ms=5), Cut(by="taro", reason="cloud A lost"))
    assert (cut.mode, effect, cut.by) == (LinkMode.CUT, Effect.DROP_ALL, "taro")

    with pytest.raises(Refused) as refused:
        turned(cut, Blackhole())
    assert refused.value.code == "link-cut"
    delayed, _ = turned(cut, Delay(delay_ms=7))
    assert (delayed.mode, delayed.by) == (LinkMode.CUT, "taro")
    healed, effect = turned(delayed, Heal(by="hanako"))
    assert (healed.mode, healed.delay_ms, effect) == (LinkMode.OPEN, 7, Effect.NOTHING)


def test_healing_a_black_hole_drops_what_lost_bytes() -> None:
    """A stream with a hole in it must not go on."""
    hole, effect = turned(Valve(), Blackhole())
    assert effect is Effect.NOTHING
    assert turned(hole, Heal())[1] is Effect.DROP_HOLED
    assert turned(hole, Cut())[1] is Effect.DROP_ALL


def test_a_delay_is_bounded() -> None:
    """0 to 10 s."""
    for wrong in (-1, 10_001):
        with pytest.raises(WrongUsage):
            turned(Valve(), Delay(delay_ms=wrong))


orders: st.SearchStrategy[Order] = st.one_of(
    st.builds(Cut), st.builds(Heal), st.builds(Blackhole), st.builds(Delay, delay_ms=st.integers(0, 100))
)


@given(st.lists(orders, max_size=15))
def test_after_any_orders_the_last_cut_or_heal_decides(given_orders: list[Order]) -> None:
    """From a cut to the next heal the link is cut."""
    valve, fenced = Valve(), False
    for order in given_orders:
        fenced = isinstance(order, Cut) or (fenced and not isinstance(order, Heal))
        try:
            valve, _ = turned(valve, order)
        except Refused:
            assert fenced
        assert (valve.mode is LinkMode.CUT) == fenced


def test_the_valve_is_kept_on_disk_and_in_doubt_it_is_cut(tmp_path: Path) -> None:
    """What was written is read; nothing there: the first; something unreadable: cut."""
    path = tmp_path / "valve"
    assert read_valve(path, Valve(delay_ms=3)) == Valve(delay_ms=3)
    cut = Valve(mode=LinkMode.CUT, by="taro", reason="fence")
    write_valve(path, cut)
    assert read_valve(path, Valve()) == cut
    for nonsense in (b"", b"{", b'{"mode":"ajar"}', msgspec.json.encode(cut)[:-3]):
        path.write_bytes(nonsense)
        assert read_valve(path, Valve()).mode is LinkMode.CUT
