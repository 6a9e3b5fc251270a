"""Connections: roles and session settings."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from kanjo import db
from kanjo.db import connect
from kanjo.errors import SystemFailed


def test_a_service_session_is_not_the_owner(database: db.Database) -> None:
    """A session of the service has only the service role's rights, in UTC."""
    with database.connect() as connection:
        row = connection.execute("SELECT current_user, current_setting('timezone')").fetchone()

    assert row == ("kanjo_service", "UTC")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE SCHEMA mine",
        "CREATE TABLE public.mine (n int)",
        "CREATE TABLE kanjo.mine (n int)",
        "UPDATE kanjo.revision SET version_num = '0000'",
        "CREATE ROLE mine",
        "COPY (SELECT 1) TO PROGRAM 'true'",
    ],
)
def test_the_service_can_change_neither_schema_nor_roles(module_database, statement):
    """Rule D-2: service roles do only what was granted to them."""
    with module_database.connect() as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)


@pytest.mark.parametrize("role", ["service", "owner"])
def test_every_session_has_the_same_settings(module_database, role):
    """Whatever the server's defaults are, and under a name that an administrator recognises."""
    with module_database.connect(role=role) as connection:
        found = {
            name: connection.execute("SELECT current_setting(%s)", (name,)).fetchone()[0] for name in connect.SESSION
        }
        name = connection.execute("SELECT current_setting('application_name')").fetchone()[0]

    assert {key: value.lower() for key, value in found.items() if key not in ("datestyle", "timezone")} == {
        key: value for key, value in connect.SESSION.items() if key not in ("datestyle", "timezone")
    }
    assert (found["timezone"], found["datestyle"].split(",")[0]) == ("UTC", "ISO")
    assert name == f"kanjo {role}"


def test_options_of_the_url_are_kept_and_ours_stand_over_them(module_database):
    """An administrator's work_mem stays, another time zone does not."""
    url = module_database.url + " options='-c work_mem=9MB -c timezone=Asia/Tokyo' application_name=branch"
    with db.Database(url, False, 180000).connect() as connection:
        row = connection.execute(
            "SELECT current_setting('work_mem'), current_setting('timezone'), current_setting('application_name')"
        ).fetchone()

    assert row == ("9MB", "UTC", "branch")


def test_autocommit_is_off_unless_asked_for(module_database):
    """Money moves in transactions."""
    with module_database.connect() as connection:
        assert not connection.autocommit
    with module_database.connect(autocommit=True) as connection:
        assert connection.autocommit


def test_another_database_of_the_server_keeps_everything_else(module_database):
    """Only the name changes."""
    other = module_database.named("postgres")

    before, after = conninfo_to_dict(module_database.url), conninfo_to_dict(other.url)
    assert (other.name, before | {"dbname": "postgres"}) == ("postgres", after)


def test_a_role_that_was_never_made_is_explained(server):
    """A database without Kanjo's schema on a server without Kanjo's role tells to run `kanjo up`."""
    broken = db.Database(server.url.replace("user=kanjo", "user=stranger"), False, 180000)

    with pytest.raises(SystemFailed) as caught:
        broken.connect()

    assert caught.value.code == "database-login-refused"
