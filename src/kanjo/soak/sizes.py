"""What the tables take, and how many rows they hold: by name of the table, whatever tables there are."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from kanjo.db.queries import Queries
from kanjo.soak.soaked import Size, Stock

SQL = Queries("kanjo.soak", "sizes.sql")
CATALOGUE = "pg_catalog"


def sizes(connection: psycopg.Connection[Any]) -> list[Size]:
    """Every table, cheaply."""
    return [Size(*row) for row in connection.execute(SQL["sizes"])]


def server_now(connection: psycopg.Connection[Any]) -> tuple[int, int]:
    """Connections, and bytes of the write-ahead log."""
    row = connection.execute(SQL["server"]).fetchone()
    assert row is not None
    return row[0], row[1]


def wal_bound(connection: psycopg.Connection[Any]) -> int:
    """Bytes that the write-ahead log is to keep below."""
    row = connection.execute(SQL["wal_bound"]).fetchone()
    assert row is not None
    return int(row[0])


def take_stock(connection: psycopg.Connection[Any]) -> list[Stock]:
    """Every table with its rows counted: the estimates are lost whenever the server is killed."""
    found = {size.table: size.heap_bytes + size.index_bytes for size in sizes(connection)}
    stock = [Stock(CATALOGUE, found[CATALOGUE], 1)]
    for schema, table in connection.execute(SQL["tables"]).fetchall():
        counted = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table))
        row = connection.execute(counted).fetchone()
        assert row is not None
        stock.append(Stock(f"{schema}.{table}", found.get(f"{schema}.{table}", 0), row[0]))
    return stock
