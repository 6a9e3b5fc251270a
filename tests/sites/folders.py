"""Where servers and labs of a test live."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that the user of the processes can reach, also when we are root."""
    folder = Path(tempfile.mkdtemp(prefix="kanjo-sites-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
