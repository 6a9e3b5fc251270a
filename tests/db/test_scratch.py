"""Databases of one's own: there while used, gone after, also after a kill."""

from __future__ import annotations

import pytest

from kanjo import db
from kanjo.db import migrate

MAKE = """
import sys
from kanjo import db
with db.database(url=sys.argv[1]) as database, db.scratch(database, sys.argv[2]) as own:
    print("ready", own.name, flush=True)
    sys.stdin.read()
"""

NAMES = "SELECT datname FROM pg_database WHERE datname LIKE %s"


def _names(server: db.Database, prefix: str) -> list[str]:
    with server.named("postgres").connect(role="owner") as connection:
        return [row[0] for row in connection.execute(NAMES, (f"kanjo\\_{prefix}\\_%",))]


def test_it_is_migrated_and_gone_at_the_end_whoever_is_connected(server):
    """A forgotten connection does not keep it."""
    with db.scratch(server, "own") as own:
        forgotten = own.connect()
        assert migrate.head() == migrate.current(own)[0]
        assert [own.name] == _names(server, "own")

    assert _names(server, "own") == []
    forgotten.close()


def test_it_is_gone_after_an_error_and_the_error_is_the_callers(server):
    """The clean-up never hides what went wrong."""
    with pytest.raises(ZeroDivisionError), db.scratch(server, "error"):
        raise ZeroDivisionError

    assert _names(server, "error") == []


@pytest.mark.crash
def test_what_a_killed_process_left_is_dropped_by_the_next_of_its_kind(server, command, until):
    """A database whose maker lives is left alone; one whose maker was killed is dropped."""
    killed = command(MAKE, server.url, "kill")
    killed.wait_ready()
    alive = command(MAKE, server.url, "kill")
    alive.wait_ready()
    killed.kill()
    assert len(_names(server, "kill")) == 2

    def dropped() -> bool:
        with db.scratch(server, "kill", template="template0"):
            return len(_names(server, "kill")) == 2

    until(dropped, "the killed maker's session to end and its database to be dropped")
    alive.leave()

    assert _names(server, "kill") == []
