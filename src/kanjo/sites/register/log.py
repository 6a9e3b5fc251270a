"""The register on disk: JSON lines that only grow, on the disk before anybody is told (R9).

One process owns it (a lock that the kernel releases). A last line without its end is what a killed process leaves: it
was answered to nobody and is taken away. Anything else that does not verify stops the register: `register-broken`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kanjo.errors import SystemFailed
from kanjo.folders import sync_folder
from kanjo.sites.person import require_two
from kanjo.sites.register.entry import Entry, Submission, advanced, broken, digest_of_change, entered, replay
from kanjo.sites.register.state import RegisterState, after

FILE = "register.jsonl"


class Log:
    """The history and the state it leads to."""

    def __init__(self, folder: Path, key: Ed25519PrivateKey) -> None:
        """Open or begin it, and prove the whole of it. Errors: `register-in-use`, `register-broken`."""
        self._key = key
        self._descriptor = _own(folder / FILE)
        self._failed = False
        try:
            content = _whole(self._descriptor)
            self.entries = _read(content)
            self.state = replay(self.entries, key.public_key())
            self._length = content.rfind(b"\n") + 1
            if self._length < len(content):
                os.ftruncate(self._descriptor, self._length)
            os.fsync(self._descriptor)
            sync_folder(folder)
        except BaseException:
            os.close(self._descriptor)
            raise

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)

    def change(
        self, submission: Submission, *, sites: Collection[str], persons: Mapping[str, str], clock: Callable[[], str]
    ) -> RegisterState:
        """Enter a change if the rules and two persons allow it; returns when it is on the disk.

        The change that was entered last, brought again, is answered again: whoever lost the answer asks once more.
        """
        self.require_sound()
        digest = digest_of_change(submission.change)
        require_two(submission.by, digest, persons)
        if self.entries and self.entries[-1].content.change == submission.change:
            return self.state
        after(self.state, submission.change, sites)
        entry = entered(self.state, submission, clock(), self._key)
        following = advanced(self.state, entry, sites)
        assert following.epoch == self.state.epoch + 1 == entry.content.epoch
        self._append(msgspec.json.encode(entry) + b"\n")
        self.entries.append(entry)
        self.state = following
        return following

    def require_sound(self) -> None:
        """Refuse to answer when we do not know what is on the disk."""
        if self._failed:
            raise broken("a write failed and could not be taken back; restart the register")

    def _append(self, line: bytes) -> None:
        """Write and flush; when that fails take it back, and when that fails too never answer again."""
        try:
            if os.pwrite(self._descriptor, line, self._length) != len(line):
                raise OSError("the disk took a part only")
            os.fsync(self._descriptor)
        except OSError as error:
            self._failed = True
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._length)
                os.fsync(self._descriptor)
                self._failed = False
            raise SystemFailed(
                "register-unwritable", f"The register cannot write its history: {error}. Nothing was changed."
            ) from error
        self._length += len(line)


def _own(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise SystemFailed(
            "register-in-use", f"Another process serves the register of {path.parent}.", folder=str(path.parent)
        ) from None
    return descriptor


def _whole(descriptor: int) -> bytes:
    with open(descriptor, "rb", closefd=False) as file:
        return file.read()


def _read(content: bytes) -> list[Entry]:
    """All lines that have their end; msgspec refuses what is not an entry."""
    found = []
    decoder = msgspec.json.Decoder(Entry)
    for number, line in enumerate(content.split(b"\n")[:-1], 1):
        try:
            found.append(decoder.decode(line))
        except msgspec.DecodeError as error:
            raise broken(f"line {number} is no entry ({error})") from error
    return found
