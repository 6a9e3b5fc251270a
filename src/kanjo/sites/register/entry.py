"""An entry of the history: a change and two persons' signatures, chained to the entry before, signed by the register.

Whoever holds the register's public key can prove afterwards that nothing was altered, left out in between or put in
another order. Persons' public keys stand in the entry, so that it can be checked when they have left the bank.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Iterable

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from kanjo.errors import KanjoError, SystemFailed
from kanjo.sites.person import Signature, digest_of, holds, require_different
from kanjo.sites.register.state import AnyChange, RegisterState, after

SIGNED_AS = b"kanjo sites: the register entered\n"


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """A change as it is brought to the register, with the signatures of both persons."""

    change: AnyChange
    by: tuple[Signature, ...]


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What an entry says. `previous` is the hash of the entry before, "" in the first; `at` is the register's time."""

    epoch: int
    previous: str
    at: str
    change: AnyChange
    by: tuple[Signature, ...]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A content, its hash, and the register's signature of the hash (base64)."""

    content: Content
    hash: str
    signature: str


def digest_of_change(change: AnyChange) -> str:
    """What a person signs: the digest of the change, which bears the digest of the plan."""
    return digest_of(msgspec.json.encode(change))


def entered(state: RegisterState, submission: Submission, at: str, key: Ed25519PrivateKey) -> Entry:
    """The entry that follows `state`; whether it may is asked of `after` and `require_two` before."""
    content = Content(
        epoch=state.epoch + 1, previous=state.head, at=at, change=submission.change, by=tuple(submission.by)
    )
    found = _hash(content)
    return Entry(content=content, hash=found, signature=base64.b64encode(key.sign(_signed(found))).decode())


def advanced(state: RegisterState, entry: Entry, sites: Collection[str]) -> RegisterState:
    """The state that the entry leads to."""
    return msgspec.structs.replace(
        after(state, entry.content.change, sites),
        by=tuple(one.person for one in entry.content.by),
        at=entry.content.at,
        head=entry.hash,
    )


def replay(entries: Iterable[Entry], key: Ed25519PublicKey) -> RegisterState:
    """The state that a whole history leads to, every link of the chain, signature and rule proved again.

    Sites that the history names count as known: topologies change, decisions stay. Error: `register-broken`.
    """
    state = RegisterState()
    for entry in entries:
        number = state.epoch + 1
        content = entry.content
        if content.epoch != number or content.previous != state.head or entry.hash != _hash(content):
            raise broken(f"entry {number} does not continue the one before it, or was altered")
        try:
            key.verify(base64.b64decode(entry.signature, validate=True), _signed(entry.hash))
        except (InvalidSignature, ValueError):
            raise broken(f"entry {number} is not signed by this register") from None
        digest = digest_of_change(content.change)
        if len(content.by) != 2 or not all(holds(one, digest) for one in content.by):
            raise broken(f"entry {number} lacks the signatures of two persons")
        try:
            require_different(content.by)
            state = advanced(state, entry, {getattr(content.change, "site", "")})
        except KanjoError as error:
            raise broken(f"entry {number} is one that the rules forbid: {error.message}") from error
    return state


def read_history(entries: Iterable[object], public_key: str) -> tuple[list[Entry], RegisterState]:
    """Entries as the client gives them, proved against the register's public key (base64). Error: `register-broken`."""
    try:
        found = [msgspec.convert(entry, Entry) for entry in entries]
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True))
    except (msgspec.ValidationError, ValueError) as error:
        raise broken(str(error)) from error
    return found, replay(found, key)


def broken(why: str) -> SystemFailed:
    """What to say of a history that cannot be believed."""
    return SystemFailed(
        "register-broken",
        f"The register's history is broken: {why}. Nothing is answered from it. Restore it from a copy "
        "whose last epoch two persons confirm.",
    )


def _hash(content: Content) -> str:
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()


def _signed(found: str) -> bytes:
    return SIGNED_AS + found.encode()
