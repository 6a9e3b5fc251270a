"""One moment of the whole ledger for reading: bulk views add up although postings go on (C-5, K-1)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg


@contextmanager
def one_moment(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """All that is read inside is of one repeatable-read snapshot; the connection must not be in a transaction yet."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield
