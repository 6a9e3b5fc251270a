"""A person at the terminal: the passphrase is asked there, and nowhere else could anybody read it.

Never an argument, a variable or a pipe: those are seen by others, or kept.
"""

from __future__ import annotations

import getpass
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from kanjo.errors import Refused, WrongUsage

if TYPE_CHECKING:
    from kanjo.sites.person import Signature

PASSPHRASE_MIN = 8


def new_passphrase(person: str) -> str:
    """Ask for one twice. Errors: `no-terminal`, `passphrase-unfit`."""
    first = asked(f"New passphrase for {person}'s key: ")
    if len(first) < PASSPHRASE_MIN:
        raise Refused(
            "passphrase-unfit",
            f"A passphrase has at least {PASSPHRASE_MIN} characters, not {len(first)}; no key was made.",
        )
    if asked("The same again: ") != first:
        raise Refused("passphrase-unfit", "The second was not the same; no key was made.")
    return first


def signature_of(person: str, file: Path, digest: str) -> Signature:
    """Sign with a key; a sealed one is opened at the terminal. Errors: `key-unusable`, `no-terminal`."""
    from kanjo.sites.person import read_key, sign

    return sign(person, read_key(file, lambda: asked(f"Passphrase of {person}'s key {file}: ")), digest)


def read_signature(file: Path) -> Signature:
    """A signature that was made elsewhere. Error: `file-unreadable`."""
    from kanjo.sites.person import Signature

    try:
        return msgspec.json.decode(file.read_bytes(), type=Signature)
    except (OSError, msgspec.DecodeError) as error:
        raise WrongUsage("file-unreadable", f"{file} holds no signature: {error}.", file=str(file)) from error


def asked(prompt: str) -> str:
    """What is typed at the terminal, unseen. Error: `no-terminal`, when nobody could be asked without being seen."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)
            return getpass.getpass(prompt)
    except getpass.GetPassWarning:
        raise WrongUsage(
            "no-terminal",
            "A passphrase is asked at a terminal, and this command has none. Sign at one of your own, by `kanjo sites "
            "sign` or `kanjo backup sign`, and bring the signature here.",
        ) from None
    except EOFError:
        raise KeyboardInterrupt from None
