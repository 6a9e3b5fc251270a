"""T26: the names rule and its way back (multicloud.md 2.1, launcher)."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from patroni.postgresql.sync import parse_sync_standby_names
from plain_servers import Server, ground
from waiting import wait_until

from kanjo.errors import Refused
from kanjo.sites.names import HOLD, LOCAL_AWAITED, RESERVED, Circumstances, mode_of, quote, render, strip

VERIFIED = Circumstances("required", ("b1", "b2"), remote_verified=True, is_standby_site=False)
UNVERIFIED = VERIFIED._replace(remote_verified=False)
DETACHED = VERIFIED._replace(mode="detached")
STANDBY = VERIFIED._replace(is_standby_site=True)

BEGUN = 0x1000000
"""Where the log of a new server begins."""

NAMES = st.text(st.characters(codec="ascii", min_codepoint=32, max_codepoint=126), min_size=1, max_size=12).filter(
    lambda name: name.strip() and name not in RESERVED | {"*"}
)
LISTS = st.lists(NAMES, max_size=5, unique=True)


def as_patroni(names: list[str]) -> str:
    """Patroni's own spelling of a wish."""
    quoted = [quote(name) for name in names]
    return f"{len(quoted)} ({','.join(quoted)})" if len(quoted) > 1 else ",".join(quoted)


@pytest.mark.parametrize(
    ("value", "mode"),
    [
        ("FIRST 2 (a2,b1,b2)", "required"),
        ("FIRST 2 (a2,remote_unverified)", "held"),
        (HOLD, "held"),
        ("a2", "detached"),
        ("2 (a2,a3)", "detached"),
        ("*", "detached"),
        ("", "detached"),
        ("(", "detached"),
    ],
)
def test_t26_the_value_says_what_the_server_promises(value: str, mode: str) -> None:
    """As `kanjo status` shows it."""
    assert mode_of(value) == mode


@pytest.mark.parametrize(
    ("wanted", "around", "value"),
    [
        (None, VERIFIED, "FIRST 1 (b1,b2)"),
        ("", VERIFIED, "FIRST 1 (b1,b2)"),
        ("a2", VERIFIED, "FIRST 2 (a2,b1,b2)"),
        ("2 (a2,a3)", VERIFIED, "FIRST 3 (a2,a3,b1,b2)"),
        ("*", VERIFIED, f"FIRST 2 ({LOCAL_AWAITED},b1,b2)"),
        ('"a-2"', VERIFIED, 'FIRST 2 ("a-2",b1,b2)'),
        ('2 ("a ""2""",a3)', VERIFIED, 'FIRST 3 ("a ""2""",a3,b1,b2)'),
        ("a2", VERIFIED._replace(remote_names=("b-1", "First")), 'FIRST 2 (a2,"b-1","First")'),
        (None, UNVERIFIED, "FIRST 1 (remote_unverified)"),
        ("a2", UNVERIFIED, "FIRST 2 (a2,remote_unverified)"),
        ("2 (a2,a3)", UNVERIFIED, "FIRST 3 (a2,a3,remote_unverified)"),
        ("a2", VERIFIED._replace(remote_names=()), "FIRST 2 (a2,remote_unverified)"),
        (None, DETACHED, None),
        ("", DETACHED, None),
        ("a2", DETACHED, "a2"),
        ("2 (a2,a3)", DETACHED, "2 (a2,a3)"),
        ("*", DETACHED, "*"),
    ],
)
def test_t26_what_is_required(wanted: str | None, around: Circumstances, value: str | None) -> None:
    """None, one and two locals, the star, quoted names; verified, unverified and detached."""
    assert render(wanted, around) == value


@pytest.mark.parametrize("wanted", [None, "a2", "2 (a2,a3)", "*", "ANY 1 (a2)"])
@pytest.mark.parametrize("mode", ["required", "detached"])
def test_t26_rule_b_a_demotion_releases_nobody(wanted: str | None, mode: str) -> None:
    """Pitfall 4: told to be a standby, nothing is answered any more, whatever the mode."""
    assert render(wanted, STANDBY._replace(mode=mode)) == HOLD == "FIRST 1 (remote_unverified)"  # type: ignore[arg-type]


@pytest.mark.parametrize("around", [VERIFIED, UNVERIFIED, DETACHED])
@pytest.mark.parametrize("wanted", ["ANY 1 (a2)", "any 2 (a2,a3)"])
def test_t26_rule_c_quorum_is_refused(wanted: str, around: Circumstances) -> None:
    """ANY k cannot be combined with a mandatory member, and is not let through while detached either."""
    with pytest.raises(Refused, match="quorum") as caught:
        render(wanted, around)
    assert caught.value.code == "names-refused"


@pytest.mark.parametrize(
    "wanted",
    ["FIRST 1 (a2)", "a2,a3", "1 (a2,a3)", "2 (a2)", "0 ()", "2 (a2,*)", "a2 a3", "a2,", "2 (a2,,a3)", "(a2)", ";", "2"
     " (a2,a3", '"a2'],
)  # fmt: skip
def test_t26_what_would_let_locals_stand_for_the_remote_is_refused(wanted: str) -> None:
    """Fewer counted than listed, our own word, or what cannot be read."""
    with pytest.raises(Refused) as caught:
        render(wanted, VERIFIED)
    assert caught.value.code == "names-refused"


@pytest.mark.parametrize(
    ("wanted", "remotes"), [('"*"', ("b1",)), ('2 (a2,"*")', ("b1",)), ("a2", ("*",)), (None, ("b1", "*"))]
)
def test_t26_a_quoted_star_is_no_name(wanted: str | None, remotes: tuple[str, ...]) -> None:
    """PostgreSQL would let any standby fill that place, and two locals stand for one of each site."""
    with pytest.raises(Refused) as caught:
        render(wanted, VERIFIED._replace(remote_names=remotes))
    assert caught.value.code == "names-refused"


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (None, ""),
        ("", ""),
        ("a2", "a2"),
        ("2 (a2,a3)", "2 (a2,a3)"),
        ("*", "*"),
        ("ANY 1 (a2,a3)", "ANY 1 (a2,a3)"),
        ("not ; readable", "not ; readable"),
        (HOLD, ""),
        ("FIRST 1 (b1,b2)", ""),
        ("FIRST 2 (a2,b1,b2)", "a2"),
        ("first 2 ( a2 , b1 )", "a2"),
        ("FIRST 3 (a2,a3,gone)", "2 (a2,a3)"),
        (f"FIRST 2 ({LOCAL_AWAITED},b1)", "*"),
        ('FIRST 2 ("a-2",b1)', '"a-2"'),
        ("first", "first"),
    ],
)
def test_t26_reading_back_shows_patroni_its_own(value: str | None, wanted: str) -> None:
    """The other site's names never reach Patroni's bookkeeping, also after the list of them has changed."""
    assert strip(value) == wanted


@given(LISTS, LISTS, st.booleans())
def test_t26_round_trip(locals_: list[str], remotes: list[str], verified: bool) -> None:
    """Whatever the names: stripped, a rendered value is what Patroni wanted; rendered again, it is the same."""
    around = Circumstances("required", tuple(remotes), verified, is_standby_site=False)
    wanted = as_patroni(locals_)

    value = render(wanted, around)

    assert strip(value) == wanted
    assert render(strip(value), around) == value


@given(LISTS, LISTS, st.booleans())
def test_t26_a_remote_is_always_counted(locals_: list[str], remotes: list[str], verified: bool) -> None:
    """R6: more is counted than there are locals, so that no number of locals answers alone."""
    value = render(as_patroni(locals_), Circumstances("required", tuple(remotes), verified, is_standby_site=False))

    assert value is not None and value.startswith(f"FIRST {len(locals_) + 1} (")


@given(LISTS)
def test_t26_detached_is_patroni_alone(locals_: list[str]) -> None:
    """While detached, the value is Patroni's, untouched, both ways."""
    wanted = as_patroni(locals_)

    assert (render(wanted, DETACHED) or "") == wanted == strip(wanted)


@given(LISTS)
def test_t26_patroni_reads_what_we_write(locals_: list[str]) -> None:
    """Patroni's own parser finds exactly its members in the value that is shown to it."""
    shown = strip(render(as_patroni(locals_), VERIFIED))

    parsed = parse_sync_standby_names(shown)

    folded = {name.lower() for name in locals_}
    if len(folded) == len(locals_):
        assert {name.lower() for name in parsed.members} == folded
        assert parsed.num == len(locals_)


@pytest.fixture(scope="module")
def reader() -> Iterator[Server]:
    """A real server that reads values; it has no standby, and nothing commits in it."""
    with ground() as place:
        server = place.first("reader")
        try:
            server.start()
            yield server
        finally:
            server.kill()


@given(LISTS, LISTS, st.booleans())
@settings(max_examples=50, deadline=None)
def test_t26_postgresql_reads_what_we_write(
    reader: Server, locals_: list[str], remotes: list[str], verified: bool
) -> None:
    """The server's own parser takes every value: with one that it refused the old one would stay in force."""
    value = render(as_patroni(locals_), Circumstances("required", tuple(remotes), verified, is_standby_site=False))

    assert value is not None
    reader.set("synchronous_standby_names", value)


@pytest.mark.parametrize("name", ["b1", "b-1", 'b "1"', "First", "any", "2", "b1,b2", "b1 "])
def test_t26_postgresql_finds_the_name(reader: Server, name: str) -> None:
    """A standby of that name has its place behind the local, and one of another name has none."""
    reader.set("synchronous_standby_names", str(render("a2", VERIFIED._replace(remote_names=(name,)))))

    assert _priority(reader, name) == 2 and _priority(reader, f"{name}x") == 0


def test_t26_a_quoted_star_is_anybody(reader: Server) -> None:
    """Why it is refused."""
    reader.set("synchronous_standby_names", 'FIRST 2 (a2,"*")')

    assert _priority(reader, "a3") == 2


def _priority(server: Server, name: str) -> int:
    """The place that the server gives a standby of that name, which says that it has a little of the log."""
    way = server.address | {"replication": "true", "application_name": name}
    query = "SELECT sync_priority FROM pg_stat_replication WHERE application_name = %s AND flush_lsn IS NOT NULL"
    with contextlib.closing(psycopg.connect(**way, autocommit=True)) as standby:
        standby.pgconn.send_query(b"START_REPLICATION 0/1000000")
        wait_until(standby.pgconn.get_result, "it streams")
        standby.pgconn.put_copy_data(struct.pack("!cQQQqB", b"r", BEGUN, BEGUN, BEGUN, 0, 0))
        standby.pgconn.flush()
        wait_until(lambda: server.one(query, name) is not None, "it counts")
        return int(server.one(query, name))
