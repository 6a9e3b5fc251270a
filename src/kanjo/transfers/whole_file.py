"""Files that appear whole or not at all: written beside their place, then renamed into it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from kanjo.errors import SystemFailed


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A stream whose content stands at `path`, synced, when the block ends; nothing changes there when it raises.

    A link keeps its place and what it leads to is written; a pipe or a device, which must not be replaced, is written
    as it goes. Errors: SystemFailed `cannot-write`.
    """
    temporary: Path | None = None
    try:
        place = path.resolve()
        if place.exists() and not (place.is_file() or place.is_dir()):
            with place.open("wb") as device:
                yield device
            return
        with tempfile.NamedTemporaryFile(dir=place.parent, prefix=f".{place.name[:100]}.", delete=False) as stream:
            temporary = Path(stream.name)
            yield stream  # type: ignore[misc]
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(place)
        temporary = None
    except OSError as error:
        raise SystemFailed("cannot-write", f"cannot write {path}: {error.strerror}") from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink()


def _umask() -> int:
    """What the caller's other new files would not allow; a temporary file is made for its owner alone."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
