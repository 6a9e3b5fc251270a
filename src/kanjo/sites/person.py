"""A person (担当者) and the signature that says "I agree to this": no act between the sites is one person's alone.

A person holds a private key (Ed25519) that only he can use; the bank keeps everybody's public key in a folder. What is
signed is the digest of a plan or of a change of the register, never a text that somebody could read otherwise (R9).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from kanjo.errors import Refused, SystemFailed, WrongUsage
from kanjo.sites.new_file import write_new

SIGNED_AS = b"kanjo sites: a person agrees to\n"
"""Stands before every digest, so that a signature made here means nothing elsewhere, nor the other way round."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_SEALED = b"BEGIN ENCRYPTED PRIVATE KEY"
PERSONS_MAX = 1000


class Signature(msgspec.Struct, frozen=True):
    """Who signed, with which public key, and the signature itself (both base64): it can be checked for ever."""

    person: str
    public_key: str
    signature: str


def digest_of(content: bytes) -> str:
    """The digest (SHA-256, hex) of a plan as it was shown to the persons who agree to it."""
    return hashlib.sha256(content).hexdigest()


def make_person(folder: Path, name: str, passphrase: str | None = None) -> Path:
    """Make `name.key` (his own, readable by its owner only) and `name.pub` (for the bank's folder); returns the key's.

    Nothing is written over: `file-exists`.
    """
    if not _NAME.fullmatch(name):
        raise WrongUsage("wrong-usage", f"A person's name is lower-case letters, digits, '.', '_', '-', not {name!r}.")
    key = Ed25519PrivateKey.generate()
    sealed: KeySerializationEncryption = NoEncryption()
    if passphrase is not None:
        sealed = BestAvailableEncryption(passphrase.encode())
    folder.mkdir(parents=True, exist_ok=True)
    secret = folder / f"{name}.key"
    write_new(secret, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealed), 0o600)
    write_new(
        folder / f"{name}.pub", key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), 0o644
    )
    return secret


def read_key(path: Path, ask: Callable[[], str] | None = None) -> Ed25519PrivateKey:
    """A private key from its file; `ask` gives the passphrase of a sealed one.

    Error: `key-unusable` (missing, readable by others, wrong passphrase).
    """
    try:
        if path.stat().st_mode & 0o077:
            raise Refused("key-unusable", f"Others may read the private key {path}: chmod 600 it.", path=str(path))
        content = path.read_bytes()
        passphrase = ask().encode() if ask is not None and _SEALED in content else None
        key = load_pem_private_key(content, passphrase)
    except (OSError, ValueError, TypeError) as error:
        raise Refused("key-unusable", f"The private key {path} cannot be used: {error}.", path=str(path)) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise Refused("key-unusable", f"{path} is not an Ed25519 key.", path=str(path))
    return key


def read_persons(folder: Path) -> dict[str, str]:
    """Everybody who may sign: the public keys `NAME.pub` in a folder, by name (base64). Error: `persons-unreadable`."""
    found: dict[str, str] = {}
    try:
        for path in sorted(folder.glob("*.pub"))[:PERSONS_MAX]:
            key = load_pem_public_key(path.read_bytes())
            if not isinstance(key, Ed25519PublicKey) or not _NAME.fullmatch(path.stem):
                raise ValueError(f"{path.name} is not a person's Ed25519 key")
            found[path.stem] = _text(key.public_bytes_raw())
    except (OSError, ValueError) as error:
        raise SystemFailed(
            "persons-unreadable", f"The public keys in {folder} cannot be read: {error}.", folder=str(folder)
        ) from error
    return found


def sign(person: str, key: Ed25519PrivateKey, digest: str) -> Signature:
    """Agree to what has this digest."""
    return Signature(person, _text(key.public_key().public_bytes_raw()), _text(key.sign(_signed(digest))))


def holds(signature: Signature, digest: str) -> bool:
    """Whether the signature is of this digest, by the key that it names."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(signature.public_key, validate=True))
        key.verify(base64.b64decode(signature.signature, validate=True), _signed(digest))
    except (InvalidSignature, ValueError):
        return False
    return True


def require_two(signatures: Sequence[Signature], digest: str, persons: Mapping[str, str]) -> None:
    """Refuse what fewer or more than two different persons of the bank have agreed to.

    Two names with one key are one person. Codes: `second-person-missing`, `same-person-twice`, `person-unknown`,
    `signature-wrong`.
    """
    if len(signatures) < 2:
        raise Refused("second-person-missing", "Two persons must sign this; a second signature is missing.")
    if len(signatures) > 2:
        raise Refused("signature-wrong", f"Two persons sign, not {len(signatures)}.")
    for one in signatures:
        if one.person not in persons:
            raise Refused("person-unknown", f"Nobody called {one.person} may sign here.", person=one.person)
        if one.public_key != persons[one.person] or not holds(one, digest):
            raise Refused(
                "signature-wrong",
                f"The signature of {one.person} does not belong to digest {digest[:16]}...: it was made for something "
                "else, or with another key.",
                person=one.person,
            )
    require_different(signatures)


def require_different(signatures: Sequence[Signature]) -> None:
    """Refuse the same person twice, by name or by key."""
    if len({one.person for one in signatures}) < 2 or len({one.public_key for one in signatures}) < 2:
        raise Refused("same-person-twice", f"{signatures[0].person} signed twice; the second must be somebody else.")


def _signed(digest: str) -> bytes:
    return SIGNED_AS + digest.encode()


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
