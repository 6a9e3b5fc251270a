"""An archive for each host: all that belongs there, with owners and modes, and nothing of any other host.

An archive holds passwords and keys: only its owner reads it. It is unpacked on its host, at the root, by root.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from kanjo.errors import Refused
from kanjo.sites.render import Installed, hosts
from kanjo.sites.render.credentials import FILL_IN
from kanjo.sites.render.hosts import Placed
from kanjo.sites.topology import Topology
from kanjo.sites.validity import validities_in

HOSTS = "hosts"
"""The folder of the archives, below the output folder."""
SIGNERS_MIN = 2


class Packed(msgspec.Struct, frozen=True):
    """The archive of a host."""

    host: str
    archive: Path
    file_count: int


def pack(topology: Topology, out: Path, installed: Installed | None = None, *, now: datetime) -> tuple[Packed, ...]:
    """Pack what `render`, `certificates` and `person` made. Error: `pack-incomplete`, with all faults in `errors`."""
    by_host = hosts(topology, installed or Installed())
    faults = list(
        dict.fromkeys(fault for placed in by_host.values() for one in placed for fault in _faults(out, one, now))
    )
    if faults:
        raise Refused(
            "pack-incomplete",
            f"{len(faults)} things are missing below {out}, first: {faults[0]}",
            folder=str(out),
            errors=faults,
        )
    (out / HOSTS).mkdir(mode=0o700, exist_ok=True)
    return tuple(_packed(out, host, placed) for host, placed in by_host.items())


def _faults(out: Path, placed: Placed, now: datetime) -> Iterator[str]:
    match placed.kind:
        case "file":
            file = out / placed.source
            if not file.is_file():
                yield f"there is no {file}"
            elif placed.filled_in and FILL_IN in file.read_text("utf-8"):
                yield f"{file} still says {FILL_IN}"
            elif file.suffix == ".crt":
                ended = [one.until for one in validities_in(file) if one.until <= now]
                yield from (f"{file} ended on {until:%Y-%m-%d}" for until in ended)
        case "persons":
            if len(list((out / placed.source).glob("*.pub"))) < SIGNERS_MIN:
                yield f"there are not {SIGNERS_MIN} persons' public keys in {out / placed.source}"


def _packed(out: Path, host: str, placed: tuple[Placed, ...]) -> Packed:
    archive, count = out / HOSTS / f"{host}.tar", 0
    archive.unlink(missing_ok=True)
    descriptor = os.open(archive, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w") as tar:
        for one in placed:
            for member, content in _members(out, one):
                tar.addfile(member, None if content is None else io.BytesIO(content))
                count += content is not None
    return Packed(host, archive, count)


def _members(out: Path, placed: Placed) -> Iterator[tuple[tarfile.TarInfo, bytes | None]]:
    match placed.kind:
        case "folder":
            folder = _member(placed, placed.place)
            folder.type = tarfile.DIRTYPE
            yield folder, None
        case "file":
            yield _file(placed, placed.place, out / placed.source)
        case "persons":
            for key in sorted((out / placed.source).glob("*.pub")):
                yield _file(placed, f"{placed.place}/{key.name}", key)


def _file(placed: Placed, place: str, source: Path) -> tuple[tarfile.TarInfo, bytes]:
    member, content = _member(placed, place), source.read_bytes()
    member.size, member.mtime = len(content), int(source.stat().st_mtime)
    return member, content


def _member(placed: Placed, place: str) -> tarfile.TarInfo:
    """By name: the owner has another number on each host."""
    member = tarfile.TarInfo(place.lstrip("/"))
    member.mode, member.uname, member.gname = placed.mode, placed.owner, placed.owner
    return member
