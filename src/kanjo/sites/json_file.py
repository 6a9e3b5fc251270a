"""Configurations as JSON files: the link's, the register's and the desk's."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from kanjo.errors import WrongUsage

Found = TypeVar("Found")


def read_json_file(path: Path, kind: type[Found]) -> Found:
    """What the file says. Error: `bad-config`, with what is wrong and where."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError) as error:
        raise bad_config(path, str(error)) from error


def bad_config(path: Path, why: str) -> WrongUsage:
    """What to say of a configuration that cannot be used."""
    return WrongUsage("bad-config", f"{path}: {why}.", path=str(path))
