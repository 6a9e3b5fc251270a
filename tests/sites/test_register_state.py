"""What may follow what in the register, and why its history can be believed."""

from __future__ import annotations

import base64
import os
import tempfile
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from registering import SITES, Office, appoint

from kanjo.errors import KanjoError, Refused, SystemFailed
from kanjo.sites.person import Signature, make_person, read_key, read_persons, sign
from kanjo.sites.register.entry import Submission, digest_of_change, read_history
from kanjo.sites.register.log import FILE, Log
from kanjo.sites.register.state import AnyChange, Appoint, Attach, Detach, RegisterState, after

SERVING_A = RegisterState(site="a", epoch=1)
ALONE_A = RegisterState(site="a", epoch=1, mode="detached")


def why_not(state: RegisterState, change: AnyChange) -> str:
    with pytest.raises(Refused) as refused:
        after(state, change, SITES)
    return refused.value.code


def test_a_site_is_appointed_and_the_policy_follows() -> None:
    """Bring-up, detach, attach, switch-over: each raises the epoch by one and says why."""
    state = after(RegisterState(), appoint("a"), SITES)
    assert (state.site, state.epoch, state.mode, state.reason) == ("a", 1, "required", "bring-up")

    state = after(state, Detach(site="a", expected_epoch=1, reason="b is away"), SITES)
    assert (state.mode, state.epoch) == ("detached", 2)

    state = after(state, Attach(site="a", expected_epoch=2, reason="b is back"), SITES)
    state = after(state, Appoint(site="b", expected_epoch=3, reason="planned"), SITES)
    assert (state.site, state.mode, state.epoch) == ("b", "required", 4)


def test_compare_and_set_on_the_epoch() -> None:
    """Of two changes decided on one state the second is refused."""
    assert why_not(SERVING_A, appoint("b", 0)) == "epoch-mismatch"
    assert why_not(SERVING_A, appoint("b", 2)) == "epoch-mismatch"


def test_t23_detaching_a_fenced_site_is_refused() -> None:
    """Pitfall 4: while the register names b, no order may relax the rule of a."""
    serving_b = RegisterState(site="b", epoch=1)

    assert why_not(serving_b, Detach(site="a", expected_epoch=1, reason="let a go on")) == "site-fenced"
    assert why_not(serving_b, Attach(site="a", expected_epoch=1, reason="x")) == "site-fenced"
    assert why_not(RegisterState(), Detach(site="a", expected_epoch=0, reason="x")) == "site-fenced"


def test_the_loss_of_a_detached_site_must_be_accepted_expressly() -> None:
    """While a answers alone, b may lack answers: step 1 of the procedure for a lost site."""
    assert why_not(ALONE_A, appoint("b", 1)) == "may-lose-answers"
    assert after(ALONE_A, appoint("b", 1, accepts_loss=True), SITES).site == "b"


def test_a_loss_is_accepted_afterwards_too() -> None:
    """b is to serve alone already, and its leader is lost before it does; no mode is changed that way."""
    alone_b = RegisterState(site="b", epoch=2, mode="detached")
    accepting = appoint("b", 2, mode="detached", accepts_loss=True)

    assert after(alone_b, accepting, SITES).epoch == 3
    assert why_not(alone_b, appoint("b", 2, mode="detached")) == "already-so"
    assert why_not(alone_b, appoint("b", 2, accepts_loss=True)) == "already-so"
    assert why_not(RegisterState(site="b", epoch=2), accepting) == "already-so"


def test_what_else_is_refused() -> None:
    """An unknown site, no reason, a change that changes nothing."""
    assert why_not(SERVING_A, appoint("c", 1)) == "site-unknown"
    assert why_not(SERVING_A, Detach(site="c", expected_epoch=1, reason="x")) == "site-unknown"
    assert why_not(SERVING_A, Detach(site="a", expected_epoch=1, reason=" ")) == "reason-missing"
    assert why_not(SERVING_A, Detach(site="a", expected_epoch=1, reason="x" * 501)) == "reason-missing"
    for change in (appoint("a", 1), Attach(site="a", expected_epoch=1, reason="x")):
        assert why_not(SERVING_A, change) == "already-so"
    assert why_not(ALONE_A, Detach(site="a", expected_epoch=1, reason="x")) == "already-so"


@pytest.mark.parametrize("change", ["shut", "release"])
def test_the_register_knows_nothing_of_doors(change: str) -> None:
    """Those of a restored ledger are shut and released in one place, its own database, which every posting reads."""
    with pytest.raises(msgspec.ValidationError, match="Invalid value"):
        msgspec.convert({"change": change, "expected_epoch": 1, "reason": "restored"}, AnyChange)


_epochs = st.integers(0, 8)
_reasons = st.sampled_from(["", "because", "火事"])
_sites = st.sampled_from([*SITES, "c"])
changes: st.SearchStrategy[AnyChange] = st.one_of(
    st.builds(
        Appoint,
        site=_sites,
        mode=st.sampled_from(["required", "detached"]),
        accepts_loss=st.booleans(),
        expected_epoch=_epochs,
        reason=_reasons,
    ),
    st.builds(Detach, site=_sites, expected_epoch=_epochs, reason=_reasons),
    st.builds(Attach, site=_sites, expected_epoch=_epochs, reason=_reasons),
)
wishes = st.lists(
    st.tuples(changes, st.booleans(), st.lists(st.sampled_from(["taro", "hanako", "mallory"]), max_size=3)), max_size=25
)
"""A change, whether it guesses the right epoch, and who signs it."""

with tempfile.TemporaryDirectory() as _folder:
    for _name in ("taro", "hanako", "mallory"):
        make_person(Path(_folder), _name)
    KEYS = {name: read_key(Path(_folder) / f"{name}.key") for name in ("taro", "hanako", "mallory")}
    PERSONS = {name: key for name, key in read_persons(Path(_folder)).items() if name != "mallory"}


def signatures(change: AnyChange, people: list[str]) -> tuple[Signature, ...]:
    return tuple(sign(one, KEYS[one], digest_of_change(change)) for one in people)


@settings(max_examples=60, deadline=None)
@given(wishes)
def test_any_sequence_of_changes_leaves_a_history_that_proves_itself(
    asked: list[tuple[AnyChange, bool, list[str]]],
) -> None:
    """The epoch only grows, by one; each entry bears two persons; what was refused left nothing; a restart agrees."""
    key = Ed25519PrivateKey.generate()
    with tempfile.TemporaryDirectory() as folder:
        log = Log(Path(folder), key)
        for change, guessed, people in asked:
            before = log.state
            wish = msgspec.structs.replace(change, expected_epoch=before.epoch) if guessed else change
            try:
                log.change(
                    Submission(change=wish, by=signatures(wish, people)),
                    sites=SITES,
                    persons=PERSONS,
                    clock=lambda: "2026-08-24T10:00:00Z",
                )
            except KanjoError:
                assert log.state == before
                continue
            assert set(people) == {"taro", "hanako"} and len(people) == 2
            repeated = len(log.entries) == before.epoch
            assert log.state.epoch == before.epoch + (not repeated) == len(log.entries)
            assert sorted(log.state.by) == ["hanako", "taro"]
        log.close()
        again = Log(Path(folder), key)
        again.close()
        assert (again.state, again.entries) == (log.state, log.entries)


@pytest.fixture
def history(office: Office) -> tuple[Path, Ed25519PrivateKey, list[bytes]]:
    """A log of three entries on disk, closed."""
    key = Ed25519PrivateKey.generate()
    log = Log(office.folder, key)
    for change in (
        appoint("a"),
        Detach(site="a", expected_epoch=1, reason="x"),
        Attach(site="a", expected_epoch=2, reason="y"),
    ):
        enter(log, office, change)
    log.close()
    path = office.folder / FILE
    return path, key, path.read_bytes().splitlines(keepends=True)


def enter(log: Log, office: Office, change: AnyChange) -> RegisterState:
    submission = Submission(change=change, by=tuple(office.signed(change)))
    persons = read_persons(office.folder / "persons")
    return log.change(submission, sites=SITES, persons=persons, clock=lambda: "2026-08-24T10:00:00Z")


def test_a_torn_last_line_is_taken_away(history: tuple[Path, Ed25519PrivateKey, list[bytes]], office: Office) -> None:
    """However much of it reached the disk: the register stands at the epoch before, and goes on from there."""
    path, key, lines = history
    for kept in (1, 60, len(lines[2]) - 1):
        path.write_bytes(b"".join(lines[:2]) + lines[2][:kept])
        log = Log(path.parent, key)
        assert log.state.epoch == 2
        assert path.read_bytes() == b"".join(lines[:2])
        assert enter(log, office, Attach(site="a", expected_epoch=2, reason="again")).epoch == 3
        log.close()


def test_a_broken_chain_is_refused(history: tuple[Path, Ed25519PrivateKey, list[bytes]]) -> None:
    """A line altered, left out, doubled, moved, or written by another register."""
    path, key, lines = history
    one, two, three = lines
    for content in (
        [one, two.replace(b'"reason":"x"', b'"reason":"z"'), three],
        [one, three],
        [two, three],
        [one, two, two],
        [one, three, two],
        [one, b"{}\n", three],
        [one, two, b"\0\0\0\n"],
    ):
        path.write_bytes(b"".join(content))
        with pytest.raises(SystemFailed) as failed:
            Log(path.parent, key)
        assert failed.value.code == "register-broken", content
    path.write_bytes(b"".join(lines))
    with pytest.raises(SystemFailed, match="not signed by this register"):
        Log(path.parent, Ed25519PrivateKey.generate())


def test_a_history_is_proved_from_outside(history: tuple[Path, Ed25519PrivateKey, list[bytes]]) -> None:
    """Whoever has the entries and the public key needs nothing else; a wrong key proves nothing."""
    _, key, lines = history
    entries = [msgspec.json.decode(line) for line in lines]
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()

    found, state = read_history(entries, public)

    assert len(found) == state.epoch == 3
    other = base64.b64encode(Ed25519PrivateKey.generate().public_key().public_bytes_raw()).decode()
    for wrong in (other, "?"):
        with pytest.raises(SystemFailed):
            read_history(entries, wrong)


def test_one_process_owns_the_register(office: Office) -> None:
    """A second one is told so."""
    key = Ed25519PrivateKey.generate()
    log = Log(office.folder, key)
    with pytest.raises(SystemFailed) as failed:
        Log(office.folder, key)
    assert failed.value.code == "register-in-use"
    log.close()
    Log(office.folder, key).close()


def test_a_write_that_fails_changes_nothing(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk: the change is refused, the state stands, and the next one is taken when there is room again."""
    log = Log(office.folder, Ed25519PrivateKey.generate())
    monkeypatch.setattr(os, "pwrite", lambda descriptor, line, at: 5)
    with pytest.raises(SystemFailed) as failed:
        enter(log, office, appoint("a"))
    assert (failed.value.code, log.state.epoch) == ("register-unwritable", 0)
    monkeypatch.undo()

    assert enter(log, office, appoint("a")).epoch == 1
    log.close()


def test_a_write_that_cannot_be_taken_back_ends_all_answers(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """When nobody knows what is on the disk, the register says nothing any more."""
    log = Log(office.folder, Ed25519PrivateKey.generate())

    def fail(descriptor: int) -> None:
        raise OSError("input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(SystemFailed, match="cannot write"):
        enter(log, office, appoint("a"))
    monkeypatch.undo()
    with pytest.raises(SystemFailed) as failed:
        enter(log, office, appoint("a"))
    assert failed.value.code == "register-broken"
    log.close()
