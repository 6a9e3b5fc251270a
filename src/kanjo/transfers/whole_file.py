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

    Errors: SystemFailed `cannot-write`.
    """
    temporary: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as stream:
            temporary = Path(stream.name)
            yield stream  # type: ignore[misc]
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
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
