"""The data directory: whole or not there, and of this PostgreSQL."""

from __future__ import annotations

import os

import pytest

from kanjo import db
from kanjo.db import binaries
from kanjo.errors import SystemFailed


def test_data_of_another_version_is_refused_with_a_way_out(home):
    """A data directory that an older PostgreSQL made is left alone, and the error says what to do."""
    (home / "data" / "PG_VERSION").write_text("17\n")

    with pytest.raises(SystemFailed, match=r"PostgreSQL 17.*pg_upgrade") as caught, db.database(home):
        pass

    assert (
        caught.value.code,
        caught.value.details["found"],
        caught.value.details["expected"],
    ) == ("data-version", "17", "18")
    assert binaries.major_version() == "18"


def test_a_folder_that_is_no_data_directory_is_refused(home):
    """A data directory without its version is not started and not overwritten."""
    (home / "data" / "PG_VERSION").unlink()

    with pytest.raises(SystemFailed, match="Move it away") as caught, db.database(home):
        pass

    assert caught.value.code == "data-unknown"
    assert (home / "data" / "base").is_dir()


def test_an_interrupted_initdb_is_not_taken_for_a_data_directory(new_home):
    """What a killed initdb left is thrown away; the next start makes a whole one."""
    unfinished = new_home / "data.unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    if os.geteuid() == 0:
        new_home.chmod(0o711)

    with db.database(new_home) as database, database.connect() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert not unfinished.exists()


def test_an_initdb_that_fails_leaves_nothing_and_says_why(new_home, monkeypatch):
    """The error carries what initdb said."""
    monkeypatch.setattr("kanjo.db.settings.SUPERUSER", "pg_forbidden")

    with pytest.raises(SystemFailed, match="pg_forbidden") as caught, db.database(new_home):
        pass

    assert caught.value.code == "initdb-failed"
    assert not (new_home / "data").exists()
    assert not (new_home / "data.unfinished").exists()
