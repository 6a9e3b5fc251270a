"""`kanjo up`, `down` and `status`."""

from __future__ import annotations

import pytest

from kanjo import db
from kanjo.db import migrate
from kanjo.errors import Refused


def test_status_of_nothing_makes_nothing(new_home):
    """Looking does not leave a folder behind."""
    status = db.status(new_home)

    assert (status.running, status.kept_running, status.data_directory) == (False, False, None)
    assert not new_home.exists()


def test_down_of_nothing_makes_nothing(new_home):
    """Nor does stopping what was never there."""

    assert not db.down(new_home).running
    assert not new_home.exists()


def test_up_leaves_the_server_running_until_down(home, user):
    """Commands in between share it and do not stop it."""
    up = db.up(home)

    assert (True, True, True, migrate.head()) == (up.running, up.kept_running, up.embedded, up.schema_revision)
    assert up.version.startswith("18.")
    assert up.size_bytes > 1_000_000

    command = user(home)
    command.wait_ready()
    command.leave()

    assert up.pid == db.status(home).pid
    assert up.pid == db.up(home).pid

    down = db.down(home)

    assert (down.running, down.kept_running) == (False, False)


def test_down_lets_those_who_still_use_it_finish(home, user):
    """The server goes when the last of them leaves."""
    db.up(home)
    command = user(home)
    command.wait_ready()

    assert ((status := db.down(home)).running, status.kept_running) == (True, False)

    command.leave()

    assert not db.status(home).running


@pytest.mark.crash
def test_after_down_a_killed_user_does_not_keep_it(home, user, lives, until):
    """`down` sets a watcher for those who still use it."""
    db.up(home)
    command = user(home)
    command.wait_ready()
    db.down(home)

    command.kill()

    until(lambda: not lives(home), "the watcher to stop the server")


def test_down_does_not_stop_what_kanjo_did_not_start(database, monkeypatch):
    """An external database is its administrator's."""
    monkeypatch.setenv("KANJO_DATABASE_URL", database.url)

    with pytest.raises(Refused) as caught:
        db.down()

    assert caught.value.code == "not-embedded"


def test_a_command_without_up_leaves_nothing_running(home):
    """Started on demand, stopped again."""
    with db.database(home):
        status = db.status(home)
        assert (status.running, status.kept_running) == (True, False)

    assert not db.status(home).running
