"""Connections: roles and session settings."""

from __future__ import annotations

from kanjo import db


def test_a_service_session_is_not_the_owner(database: db.Database) -> None:
    """A session of the service has only the service role's rights, in UTC."""

    with database.connect() as connection:
        row = connection.execute("SELECT current_user, current_setting('timezone')").fetchone()

    assert row == ("kanjo_service", "UTC")
