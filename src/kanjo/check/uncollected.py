"""Work on millions of small values without the garbage collector."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Rings of references are not looked for inside: none are made there, and looking walks through all values again
    and again, which took four fifths of the time of a check of 1,000,000 lines.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
