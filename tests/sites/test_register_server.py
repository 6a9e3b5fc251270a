"""The register as a process: asked over mutual TLS, killed, restarted."""

from __future__ import annotations

import http.client
import itertools
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from registering import Office, appoint, process, serving

from kanjo.errors import KanjoError, Refused, SystemFailed, WrongUsage
from kanjo.sites import certificates
from kanjo.sites.mutual_tls import Credentials, calling, credentials_in
from kanjo.sites.register.client import RegisterClient
from kanjo.sites.register.entry import read_history
from kanjo.sites.register.log import FILE
from kanjo.sites.register.state import Attach, Detach, RegisterState
from kanjo.sites.validity import validities_in


def test_a_change_is_entered_read_and_proved(office: Office) -> None:
    """From nothing decided to site a serving; the history proves it with the register's public key."""
    with serving(office) as (_, address):
        client = office.client(address)
        assert client.read() == RegisterState()
        change = appoint("a")

        state = client.change(change, office.signed(change))

        assert (state.site, state.epoch, state.mode, list(state.by)) == ("a", 1, "required", ["hanako", "taro"])
        assert abs((datetime.now(UTC) - datetime.fromisoformat(state.at)).total_seconds()) < 60
        assert client.read() == state
        entries, proved = read_history(client.history(), client.public_key())
        assert (proved, len(entries)) == (state, 1)


def test_it_shows_until_when_its_certificate_is_valid(office: Office) -> None:
    """As the file says it."""
    with serving(office) as (_, told):
        [written] = validities_in(office.tls / "register.crt")
        assert office.client(told).certificate() == written


def test_refusals_reach_the_caller_with_their_codes(office: Office) -> None:
    """Wrong epoch, one person, a fenced site, and what is no change at all."""
    with serving(office) as (_, address):
        client = office.client(address)
        change = appoint("a")
        client.change(change, office.signed(change))

        for wrong, people, code in (
            (appoint("b", 0), (), "epoch-mismatch"),
            (appoint("b", 1), ("taro",), "second-person-missing"),
            (appoint("b", 1), ("taro", "taro"), "same-person-twice"),
            (Detach(site="b", expected_epoch=1, reason="x"), (), "site-fenced"),
        ):
            with pytest.raises(Refused) as refused:
                client.change(wrong, office.signed(wrong, *people))
            assert refused.value.code == code
        with pytest.raises(WrongUsage):
            client.change("nonsense", [])  # type: ignore[arg-type]
        assert client.read().epoch == 1


def test_the_same_change_again_is_answered_again(office: Office) -> None:
    """Who lost the answer asks once more; nothing is entered twice."""
    with serving(office) as (_, address):
        client = office.client(address)
        change = appoint("a")

        first = client.change(change, office.signed(change))

        assert client.change(change, office.signed(change)) == first
        assert len(list(client.history())) == 1


def test_of_many_at_once_one_wins(office: Office) -> None:
    """Compare-and-set: eight operators decide on one epoch, and seven are told that it has passed."""
    with serving(office) as (_, address):
        outcomes: list[str] = []

        def try_it(number: int) -> None:
            change = appoint("ab"[number % 2], plan=str(number))
            try:
                office.client(address).change(change, office.signed(change))
                outcomes.append("entered")
            except KanjoError as error:
                outcomes.append(error.code)

        threads = [threading.Thread(target=try_it, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(outcomes) == ["entered"] + ["epoch-mismatch"] * 7


def test_who_has_no_certificate_of_ours_is_not_heard(office: Office, tmp_path: Path) -> None:
    """Another authority's certificate, none at all, or one that the register does not list."""
    certificates.make_authority(tmp_path / "other", now=datetime.now(UTC))
    stranger = certificates.issue(tmp_path / "other", "operator", into=tmp_path / "x", now=datetime.now(UTC))
    ours = credentials_in(office.tls, "operator")
    mixed = Credentials(authority=ours.authority, certificate=stranger.certificate, key=stranger.key)
    with serving(office, callers=["operator"]) as (_, address):
        assert office.client(address).read().epoch == 0
        with pytest.raises(SystemFailed) as failed:
            RegisterClient(address, mixed).read()
        assert failed.value.code == "register-unreachable"
        with pytest.raises(SystemFailed):
            RegisterClient(address, ours, name="link-a").read()
        with pytest.raises(Refused) as refused:
            office.client(address, "gate-a").read()
        assert refused.value.code == "caller-unknown"
        host, _, port = address.rpartition(":")
        plain = http.client.HTTPConnection(host, int(port), timeout=5)
        plain.connect()
        plain.sock.sendall(b"GET /state HTTP/1.1\r\n\r\n")
        with pytest.raises((OSError, http.client.HTTPException)):
            http.client.HTTPResponse(plain.sock).begin()
        plain.close()


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET /nothing HTTP/1.1\r\n\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 9000 + b"\r\n\r\n", 400),
        (b"POST /change HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", 400),
        (b"POST /change HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /change HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST /change HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", 400),
        (b"GET /history?after=x HTTP/1.1\r\n\r\n", 400),
        (b"GET /history?after=7 HTTP/1.1\r\n\r\n", 200),
    ],
)
def test_a_request_is_bounded(office: Office, raw: bytes, status: int) -> None:
    """Too long a head, too long a body, no request at all: said at once, and the register answers the next."""
    with serving(office) as (_, address):
        host, _, port = address.rpartition(":")
        context = calling(credentials_in(office.tls, "operator"))
        with (
            socket.create_connection((host, int(port)), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname="register") as secured,
        ):
            secured.sendall(raw)
            assert secured.recv(100).split()[1] == str(status).encode()
        assert office.client(address).read().epoch == 0


def test_sigterm_ends_it_and_a_restart_knows_everything(office: Office) -> None:
    """Exit status 0; the state, the history and the register's key are the same afterwards."""
    with serving(office) as (started, address):
        change = appoint("a")
        before = office.client(address).change(change, office.signed(change))
        public_key = office.client(address).public_key()
        started.terminate()
        assert started.wait(10) == 0
    with serving(office) as (_, address):
        assert office.client(address).read() == before
        assert office.client(address).public_key() == public_key


def test_a_register_with_a_broken_history_does_not_start(office: Office) -> None:
    """It says which code and what to do, and answers nobody."""
    with serving(office) as (_, address):
        change = appoint("a")
        office.client(address).change(change, office.signed(change))
    path = office.folder / "register" / FILE
    path.write_text(path.read_text().replace("bring-up", "bring-in"))

    done = subprocess.run(
        [sys.executable, "-m", "kanjo.sites.register", "--config", str(office.config())],
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert done.returncode == 3 and done.stderr.startswith("register-broken: ")


def test_killed_while_changing_it_has_each_change_whole_or_not_at_all(office: Office) -> None:
    """kill -9 at any moment between append and answer: what was answered stands, the rest is whole or missing."""
    answered = 0
    for round_number in range(6):
        with serving(office) as (started, address):
            client = office.client(address)
            state = client.read()
            assert answered <= state.epoch <= answered + 1
            _, proved = read_history(client.history(), client.public_key())
            assert proved == state
            threading.Timer(0.01 + 0.012 * round_number, started.send_signal, [signal.SIGKILL]).start()
            epoch = state.epoch
            with pytest.raises(SystemFailed):  # noqa: PT012
                for epoch in itertools.count(state.epoch):
                    change = Detach if epoch % 2 else Attach
                    wish = appoint("a") if epoch == 0 else change(site="a", expected_epoch=epoch, reason="to and fro")
                    client.change(wish, office.signed(wish))
            answered = epoch
    assert answered > 0


DIES_WHILE_WRITING = """
import os, sys
from kanjo.sites.register.__main__ import main
whole, kept = os.pwrite, int(sys.argv.pop())
def torn(descriptor, line, at):
    whole(descriptor, line[:kept], at)
    os.kill(os.getpid(), 9)
os.pwrite = torn
sys.exit(main())
"""


@pytest.mark.parametrize("kept", [0, 1, 300, 100_000])
def test_killed_between_append_and_answer(office: Office, kept: int) -> None:
    """So many bytes of the line are on the disk when the process dies: the whole line is kept, a part is not."""
    with process("-c", DIES_WHILE_WRITING, "--config", str(office.config()), str(kept)) as (_, told):
        change = appoint("a")
        with pytest.raises(SystemFailed, match="repeat it"):
            office.client(told["listening"]).change(change, office.signed(change))
    with serving(office) as (_, address):
        client = office.client(address)
        assert client.read().epoch == (1 if kept == 100_000 else 0)
        assert client.change(change, office.signed(change)).epoch == 1
        assert len(list(client.history())) == 1


def test_a_silent_register_is_given_up_in_time(office: Office) -> None:
    """The gate must decide within its own limit, also when the register takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host, port = silent.getsockname()
        client = RegisterClient(f"{host}:{port}", credentials_in(office.tls, "gate-a"), timeout_s=0.3)
        began = time.monotonic()
        with pytest.raises(SystemFailed):
            client.read()
        assert time.monotonic() - began < 3


def test_the_client_is_light() -> None:
    """The gate imports it in a process of its own at the worst moment: no cryptography, no database, no numpy."""
    code = (
        "import sys, json, kanjo.sites.register.client;"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert not {"cryptography", "psycopg", "numpy", "asyncio", "structlog", "yaml"} & set(json.loads(done.stdout))
