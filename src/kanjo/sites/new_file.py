"""Files of which there must be one only: written when they do not exist yet, and never again."""

from __future__ import annotations

import os
from pathlib import Path

from kanjo.errors import Refused


def write_new(path: Path, content: bytes, mode: int) -> None:
    """Write it, with a mode that does not depend on the umask, and see it onto the disk. Error: `file-exists`."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    except FileExistsError:
        raise Refused(
            "file-exists", f"{path} exists and is not written over. Delete it first if it is lost.", path=str(path)
        ) from None
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(content)
        file.flush()
        os.fsync(descriptor)
