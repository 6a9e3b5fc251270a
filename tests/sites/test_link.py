"""Two ends in processes of their own, real TLS between them, and stand-ins for databases and Patroni behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from linking import Caller, TwoSites, two_sites
from registering import NOW, Office
from waiting import wait_until

from kanjo.errors import Refused, SystemFailed, WrongUsage
from kanjo.sites.lab.made import free_ports
from kanjo.sites.link.valve import LinkMode
from kanjo.sites.mutual_tls import calling, credentials_in, validity_of


@pytest.fixture
def sites(office: Office, tmp_path: Path) -> Iterator[TwoSites]:
    """Both ends running, a1 leading."""
    with two_sites(office, tmp_path) as found:
        yield found


def refused(sites: TwoSites, service: str = "leader") -> bool:
    """Whether a new connection gets no answer but an end."""
    try:
        caller = sites.call(service)
    except ConnectionRefusedError:
        return True
    found = caller.ask() == ""
    caller.close()
    return found


def test_each_service_leads_where_it_is_now(sites: TwoSites) -> None:
    """The leader is followed, a fixed one is where it is, one that nobody serves is refused."""
    assert sites.call("leader").ask("x") == "a1:x"
    assert sites.call("a2").ask("y") == "a2:y"
    assert refused(sites, "standby-leader") and refused(sites, "nothing")
    sites.patronis[1].leads = "/standby-leader"
    wait_until(lambda: sites.call("standby-leader").ask("z") == "a2:z", "the standby leader")


def test_pitfall_9_a_different_leader_closes_old_connections(sites: TwoSites) -> None:
    """The old one's database still lives and would go on talking; new connections reach the new one."""
    old, other = sites.call(), sites.call("a2")
    assert old.ask() == "a1:hello" and other.ask() == "a2:hello"

    sites.lead(1, timeline=2)

    assert old.closed()
    wait_until(lambda: sites.call().ask() == "a2:hello", "the new leader")
    assert other.ask() == "a2:hello"


def test_pitfall_10_a_leader_gone_for_a_moment_keeps_its_connections(sites: TwoSites) -> None:
    """Its last records pass; new connections are refused until somebody leads again."""
    caller = sites.call()
    assert caller.ask() == "a1:hello"
    sites.lead(None)
    wait_until(lambda: refused(sites), "nobody to connect to")

    assert caller.ask("last record") == "a1:last record"
    sites.lead(0)
    wait_until(lambda: sites.call().ask() == "a1:hello", "the leader back")
    assert caller.ask() == "a1:hello"


def test_a_deposed_leader_that_wakes_up_is_not_followed(sites: TwoSites) -> None:
    """a2 leads on timeline 2 and is silent for a while; a1 claims on timeline 1."""
    sites.lead(1, timeline=2)
    sites.leader_seen(1)
    sites.patronis[1].leads, sites.patronis[0].leads = None, "/primary"
    wait_until(lambda: refused(sites), "nobody to connect to")
    asked_count = sites.patronis[0].asked_count
    wait_until(lambda: sites.patronis[0].asked_count > asked_count + 3, "asked again")

    assert refused(sites)
    [leader] = [one for one in sites.control("a").status().services if one.name == "leader"]
    assert leader.address == sites.databases[1].address and not leader.present


@pytest.mark.parametrize("site", ["a", "b"])
def test_a_cut_drops_everything_and_outlives_its_process(sites: TwoSites, site: str) -> None:
    """Cut at either end: connections end, new ones are refused, also after kill -9 and restart; heal opens again."""
    callers = [sites.call(), sites.call("a2")]
    assert all(caller.ask() for caller in callers)

    status = sites.control(site).cut(by="taro", reason="cloud lost")

    assert (status.mode, status.connections) == (LinkMode.CUT, 0) or wait_until(
        lambda: sites.control(site).status().connections == 0, "all dropped"
    )
    assert all(caller.closed() for caller in callers)
    assert refused(sites)
    with pytest.raises(Refused):
        sites.control(site).blackhole()
    sites.stop(site)
    told = sites.start(site)
    assert (told["mode"], told["by"], told["reason"]) == ("cut", "taro", "cloud lost")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", sites.ports[site]))
    sites.doors["b"] = sites.control(site).heal(by="hanako").listening if site == "b" else sites.doors["b"]
    sites.control(site).heal(by="hanako")
    wait_until(lambda: sites.call().ask() == "a1:hello", "carried again")


@pytest.mark.parametrize("site", ["a", "b"])
def test_a_black_hole_swallows_and_closes_nothing(sites: TwoSites, site: str) -> None:
    """Old and new connections stay silent; when it heals, those that lost bytes end and an idle one goes on."""
    speaking, idle = sites.call(), sites.call()
    assert speaking.ask() and idle.ask()
    sites.control(site).blackhole()

    speaking.socket.sendall(b"lost\n")
    fresh = sites.call()
    fresh.socket.sendall(b"lost too\n")

    assert speaking.silent() and fresh.silent(0.05)
    sites.control(site).heal()
    assert speaking.closed() and fresh.closed()
    assert idle.ask("still here") == "a1:still here"
    assert sites.call().ask() == "a1:hello"


def test_an_end_in_a_black_hole_is_not_told_to_the_other_side(sites: TwoSites) -> None:
    """A caller that hangs up meanwhile is gone for the database only when the link heals."""
    caller = sites.call()
    assert caller.ask()
    sites.control("b").blackhole()
    caller.close()
    status = sites.control("a").status()
    assert status.connections == 1
    sites.control("b").heal()
    wait_until(lambda: sites.control("a").status().connections == 0, "the end told")


def test_a_delay_is_one_way_and_adds_up(sites: TwoSites) -> None:
    """40 ms out of b and 30 ms out of a are 70 ms there and back, in order; without delay it is quick again."""
    caller = sites.call()
    caller.ask()
    for ms_b, ms_a in ((40, 0), (40, 30)):
        sites.control("b").delay(ms_b)
        sites.control("a").delay(ms_a)
        began = time.monotonic()
        assert caller.ask("far") == "a1:far"
        assert (time.monotonic() - began) * 1000 >= ms_b + ms_a
    caller.socket.sendall(b"".join(b"%d\n" % number for number in range(500)))
    assert caller.ask("500") == "a1:0"
    sites.control("b").delay(0)
    sites.control("a").delay(0)
    quick = sites.call()
    quick.ask()
    took = min(_ask_ms(quick) for _ in range(5))
    assert took < 40


def _ask_ms(caller: Caller) -> float:
    began = time.monotonic()
    caller.ask()
    return (time.monotonic() - began) * 1000


@pytest.mark.parametrize("delay_ms", [0, 20])
def test_much_arrives_whole_and_memory_stays_bounded(sites: TwoSites, delay_ms: int) -> None:
    """128 MB to a database that reads nothing for a while: the sender is held up, then every byte comes in order."""
    sites.control("b").delay(delay_ms)
    caller = sites.call("a2")
    assert caller.ask() == "a2:hello"
    line = b"x" * 65535 + b"\n"
    count = 128 * 16
    before_kb = _memory_kb(sites)

    def send() -> None:
        for _ in range(count):
            caller.socket.sendall(line)

    sender = threading.Thread(target=send)
    sender.start()  # nobody reads the answers: all buffers fill up and the sender must stand still
    stood = wait_until(lambda: _stands_still(sites), "the sender held up")
    assert stood < 96_000_000  # the kernel's own buffers of six sockets, and ours
    assert _memory_kb(sites) - before_kb < 40_000
    answer = b"a2:" + line
    received = caller.socket.makefile("rb")
    for _ in range(count):
        assert received.read(len(answer)) == answer
    sender.join()


def _stands_still(sites: TwoSites) -> int:
    """Bytes that left site b, when no more leave; else 0."""
    before = sites.control("b").status().out_bytes
    threading.Event().wait(0.3)
    after = sites.control("b").status().out_bytes
    return after if after == before > 100_000 else 0


def _memory_kb(sites: TwoSites) -> int:
    total = 0
    for end in sites.ends.values():
        status = Path(f"/proc/{end.pid}/status").read_text()
        total += int(status.partition("VmRSS:")[2].split()[0])
    return total


@pytest.mark.parametrize("delay_ms", [0, 30])
@pytest.mark.parametrize("way", ["out of a", "into a"])
def test_last_words_arrive_whole_before_the_end(sites: TwoSites, way: str, delay_ms: int) -> None:
    """A side says 24 MB and hangs up at once, the other reads late: every byte arrives, then the end (pitfall 10)."""
    words = b"".join(b"%015d\n" % number for number in range(24 * 65536))
    with socket.create_server(("127.0.0.1", 0)) as server:
        sites.stop("a")
        host, port = server.getsockname()
        sites.start("a", services=[{"type": "fixed", "name": "a2", "address": f"{host}:{port}"}])
        for site in "ab":
            sites.control(site).delay(delay_ms)
        caller = sites.call("a2").socket
        server.settimeout(10)
        called, _ = server.accept()
        saying, hearing = (called, caller) if way == "out of a" else (caller, called)

        def say() -> None:
            saying.sendall(words)
            saying.close()

        speaker = threading.Thread(target=say)
        speaker.start()
        speaker.join(1)
        hearing.settimeout(10)
        with hearing.makefile("rb") as heard:
            assert heard.read() == words
        speaker.join()
        wait_until(lambda: all(sites.control(site).status().connections == 0 for site in "ab"), "nothing left")


def test_a_stranger_is_not_carried(sites: TwoSites, office: Office) -> None:
    """A certificate of our authority that is not the other end's opens nothing; plain TCP neither."""
    address = ("127.0.0.1", sites.ports["a"])
    context = calling(credentials_in(office.tls, "operator"))
    with (
        socket.create_connection(address, timeout=5) as plain,
        context.wrap_socket(plain, server_hostname="link-a") as secured,
    ):
        try:
            secured.sendall(b"kanjo-link-1 a2\n")
            assert secured.recv(100) == b""
        except ConnectionError:
            pass
    with socket.create_connection(address, timeout=5) as plain:
        plain.sendall(b"kanjo-link-1 a2\nhello\n")
        with contextlib.suppress(ConnectionError):
            assert b"a2" not in plain.recv(100)
    assert sites.call("a2").ask() == "a2:hello"


def test_renewed_certificates_are_used_without_a_word_lost(sites: TwoSites, office: Office) -> None:
    """SIGHUP: what is carried goes on, what comes is shown the new one; files that cannot be used change nothing."""
    carried = sites.call()
    before = carried.ask() and sites.control("a").status().certificates[0]
    office.renew("link-a", valid_days=9)
    whole = (office.tls / "link-a.crt").read_bytes()
    (office.tls / "link-a.crt").write_bytes(b"half of i")
    sites.ends["a"].send_signal(signal.SIGHUP)
    assert sites.call().ask("x") == "a1:x" and sites.control("a").status().certificates[0] == before

    (office.tls / "link-a.crt").write_bytes(whole)
    sites.ends["a"].send_signal(signal.SIGHUP)
    wait_until(lambda: sites.control("a").status().certificates[0] != before, "the new one in use")
    assert carried.ask("on") == "a1:on" and sites.call().ask("y") == "a1:y"
    context = calling(credentials_in(office.tls, "operator"))
    with (
        socket.create_connection(("127.0.0.1", sites.ports["a"]), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname="link-a") as secured,
    ):
        assert validity_of(secured.getpeercert()) == sites.control("a").status().certificates[0]


def test_an_end_whose_certificate_has_ended_carries_nothing_and_obeys(sites: TwoSites, office: Office) -> None:
    """It runs, says so and can be cut; with a new certificate, and a word to it, it carries again."""
    sites.stop("a")
    office.renew("link-a", now=NOW - timedelta(days=9), valid_days=8)
    told = sites.start("a")
    assert told["certificates"][0]["name"] == "link-a"
    assert datetime.fromisoformat(told["certificates"][0]["until"]) < NOW
    assert refused(sites)
    assert sites.control("a").cut(reason="nevertheless").mode is LinkMode.CUT
    sites.control("a").heal()

    office.renew("link-a")
    sites.ends["a"].send_signal(signal.SIGHUP)
    wait_until(lambda: sites.call().ask() == "a1:hello", "carried again")


def test_an_end_whose_partner_is_gone_refuses_and_recovers(sites: TwoSites) -> None:
    """The other end killed: connections end, new ones too, until it is back."""
    caller = sites.call()
    assert caller.ask()
    sites.stop("a")
    assert caller.closed() and refused(sites)
    sites.start("a")
    wait_until(lambda: sites.call().ask() == "a1:hello", "carried again")


def test_connections_are_counted_and_bounded(office: Office, tmp_path: Path) -> None:
    """No more than the limit at once, as many as the limit each time; whoever ends makes room."""
    with two_sites(office, tmp_path, connection_count_max=4) as sites:
        for _ in range(10):
            callers = [sites.call("a2") for _ in range(4)]
            assert [caller.ask() for caller in callers] == ["a2:hello"] * 4
            for caller in callers:
                caller.close()
            wait_until(lambda: all(sites.control(site).status().connections == 0 for site in "ab"), "nothing left")
        callers = [sites.call("a2") for _ in range(4)]
        assert all(caller.ask() for caller in callers)
        assert refused(sites, "a2")
        callers.pop().close()
        wait_until(lambda: not refused(sites, "a2"), "room again")
        assert sites.control("a").status().connections >= 3


def test_idle_ends_do_no_work(sites: TwoSites) -> None:
    """A hundred idle connections cost nothing; only asking the nodes does."""
    callers = [sites.call("a2") for _ in range(100)]
    assert all(caller.ask() for caller in callers)
    end = sites.ends["b"]

    def ticks() -> int:
        words = Path(f"/proc/{end.pid}/stat").read_text().rpartition(")")[2].split()
        return int(words[11]) + int(words[12])

    before = ticks()
    asked_count = sites.patronis[0].asked_count
    wait_until(lambda: sites.patronis[0].asked_count > asked_count + 10, "asked ten times")
    assert ticks() - before <= 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_sigterm_ends_an_end_cleanly(sites: TwoSites, number: signal.Signals, tmp_path: Path) -> None:
    """Exit status 0, connections closed, no socket left behind."""
    caller = sites.call()
    assert caller.ask()
    sites.ends["b"].send_signal(number)

    assert sites.ends["b"].wait(10) == 0
    assert caller.closed() and not (tmp_path / "b.sock").exists()
    with pytest.raises(SystemFailed) as failed:
        sites.control("b").status()
    assert failed.value.code == "link-unreachable"


def test_the_control_socket_is_its_owners_and_bounded(sites: TwoSites, tmp_path: Path) -> None:
    """Mode 0600; nonsense is said to be so; a second end does not take it over."""
    path = tmp_path / "b.sock"
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(WrongUsage):
        sites.control("b").delay(99_999)
    with socket.socket(socket.AF_UNIX) as plain:
        plain.connect(os.fsencode(path))
        plain.sendall(b"open sesame\n")
        assert b"wrong-usage" in plain.recv(4096)
        plain.sendall(b"x" * 100_000)
        plain.settimeout(5)
        with contextlib.suppress(ConnectionError):
            assert plain.recv(4096) == b""
    done = subprocess.run(
        [sys.executable, "-m", "kanjo.sites.link", "--config", str(tmp_path / "b.json")],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 3 and done.stderr.startswith("link-in-use: ")
    assert sites.control("b").status().site == "b"


def test_a_healed_end_whose_door_was_taken_stays_cut(sites: TwoSites) -> None:
    """Somebody else listens on its port meanwhile: said, and the fence stands."""
    sites.control("a").cut(by="taro", reason="fence")
    with socket.create_server(("127.0.0.1", sites.ports["a"])):
        with pytest.raises(SystemFailed) as failed:
            sites.control("a").heal()
        assert failed.value.code == "link-door-taken"
        status = sites.control("a").status()
        assert (status.mode, status.by) == (LinkMode.CUT, "taro")
    assert sites.control("a").heal().mode is LinkMode.OPEN
    wait_until(lambda: sites.call().ask() == "a1:hello", "carried again")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"listen": "nowhere"}, "HOST:PORT"),
        ({"colour": "red"}, "colour"),
        ({"ask_every_ms": 0}, "not positive"),
        ({"services": [{"type": "fixed", "name": "x y", "address": "h:1"}]}, "no name"),
        ({"services": [{"type": "fixed", "name": "x", "address": "h:1"}] * 2}, "one name"),
        ({"services": [{"type": "followed", "name": "x", "ask": "/replica", "nodes": []}]}, "/replica"),
    ],
)
def test_a_bad_configuration_is_said(office: Office, tmp_path: Path, wrong: dict[str, object], said: str) -> None:
    """With the code, the file and what is wrong in it."""
    sites = TwoSites(office, tmp_path)
    path = sites.config("a", **wrong)
    sites.close()
    done = subprocess.run(
        [sys.executable, "-m", "kanjo.sites.link", "--config", str(path)], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 2 and done.stderr.startswith("bad-config: ") and said in done.stderr


def test_free_ports_are_free() -> None:
    """What the other tests rely on; several at once differ."""
    with contextlib.ExitStack() as taken:
        for port in free_ports(3):
            taken.enter_context(socket.create_server(("127.0.0.1", port)))
