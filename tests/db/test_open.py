"""Which database a command works on, and when it refuses to."""

from __future__ import annotations

import traceback

import psycopg
import pytest

from kanjo import db
from kanjo.db import connect, migrate
from kanjo.errors import SystemFailed


@pytest.fixture
def empty(server):
    """A database without any schema, as an external one would be given to us."""
    with db.scratch(server, "test", template="template0") as database:
        yield database


def _behind(database: db.Database) -> None:
    with database.connect(role="owner") as connection:
        connection.execute("UPDATE kanjo.revision SET version_num = '0001'")


def test_kanjo_database_url_names_the_database(database, monkeypatch, tmp_path):
    """The environment puts any PostgreSQL in the embedded one's place, and no embedded one is made."""
    monkeypatch.setenv("KANJO_DATABASE_URL", database.url)
    monkeypatch.setenv("KANJO_HOME", str(tmp_path / "home"))

    with db.database() as opened:
        assert (database.name, False) == (opened.name, opened.embedded)
    assert not (tmp_path / "home").exists()


def test_an_argument_stands_over_the_environment(database, monkeypatch):
    """`url=` is nearer than KANJO_DATABASE_URL."""
    monkeypatch.setenv("KANJO_DATABASE_URL", "postgresql://192.0.2.1/nowhere")

    with db.database(url=database.url) as opened:
        assert database.name == opened.name


def test_an_empty_database_gets_the_schema_by_itself(empty):
    """Nothing is there that could be harmed."""
    with db.database(url=empty.url) as opened, opened.connect() as connection:
        assert (migrate.head(),) == connection.execute("SELECT version_num FROM kanjo.revision").fetchone()


def test_a_database_of_somebody_else_is_not_touched(empty):
    """Tables that are not ours: only `kanjo up` puts the schema beside them."""
    with empty.connect(role="owner") as connection:
        connection.execute("CREATE TABLE theirs (n int)")

    with pytest.raises(SystemFailed, match="kanjo up") as caught, db.database(url=empty.url):
        pass

    assert caught.value.code == "database-not-empty"
    assert migrate.current(empty) == (None, True)


def test_up_puts_the_schema_beside_somebody_elses_tables(empty, monkeypatch):
    """`kanjo up` is the deliberate act."""
    with empty.connect(role="owner") as connection:
        connection.execute("CREATE TABLE theirs (n int)")
    monkeypatch.setenv("KANJO_DATABASE_URL", empty.url)

    status = db.up()

    assert (False, True, migrate.head()) == (status.embedded, status.running, status.schema_revision)


def test_an_external_database_that_is_behind_is_refused(database):
    """Somebody else's database is migrated only when told to."""
    _behind(database)

    with pytest.raises(SystemFailed, match="kanjo up") as caught, db.database(url=database.url):
        pass

    assert caught.value.code == "schema-behind"


def test_up_migrates_an_external_database(server, monkeypatch):
    """`kanjo up` with KANJO_DATABASE_URL brings it to this Kanjo's schema."""
    with db.scratch(server, "test", template="template0") as database:
        migrate.to(database, "0001")
        monkeypatch.setenv("KANJO_DATABASE_URL", database.url)

        assert migrate.head() == db.up().schema_revision


def test_an_embedded_database_that_is_behind_is_migrated(home):
    """Our own database follows the program."""
    with db.database(home) as database:
        migrate.to(database, "0001")

    with db.database(home) as database:
        assert migrate.head() == migrate.current(database)[0]


@pytest.mark.parametrize("embedded", [True, False])
def test_a_schema_of_a_newer_kanjo_is_refused(database, embedded):
    """An older program does not write into what it does not know."""
    with database.connect(role="owner") as connection:
        connection.execute("UPDATE kanjo.revision SET version_num = '9999'")

    with pytest.raises(SystemFailed, match="newer Kanjo") as caught:
        migrate.ensure(db.Database(database.url, embedded, database.server_version))

    assert (caught.value.code, caught.value.details["found"]) == ("schema-unknown", "9999")


def test_an_older_postgresql_is_refused(database, monkeypatch):
    """Only the version number is pretended here: a real one of 17 would say the same."""
    monkeypatch.setattr(psycopg.ConnectionInfo, "server_version", property(lambda _: 170006))

    with (
        pytest.raises(SystemFailed, match=r"PostgreSQL 17\.6; Kanjo needs 18") as caught,
        db.database(url=database.url),
    ):
        pass

    assert caught.value.code == "database-too-old"


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("postgresql://127.0.0.1:1/kanjo", "database-unreachable"),
        ("host=/nonexistent dbname=kanjo", "database-unreachable"),
        ("not a url", "database-url"),
        ("postgresql://127.0.0.1:1/kanjo?colour=blue", "database-url"),
    ],
)
def test_a_url_that_leads_nowhere_is_explained(url, code):
    """Refused connections and misspelt URLs are told apart."""
    with pytest.raises(SystemFailed) as caught, db.database(url=url):
        pass

    assert code == caught.value.code


def test_an_unknown_database_is_explained(server):
    """The server answers, but has no such database."""
    with pytest.raises(SystemFailed) as caught, db.database(url=server.named("nobody_made_this").url):
        pass

    assert caught.value.code == "database-unknown"


def test_a_password_is_never_shown():
    """What `status` prints of a URL has no password in it."""

    assert "secret" not in connect.without_password("postgresql://kanjo:secret@db.example/kanjo")
    assert "secret" not in repr(db.Database("postgresql://kanjo:secret@db.example/kanjo", False, 180000))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://kanjo:pw@127.0.0.1:hunter2/kanjo",
        "postgresql://kanjo@127.0.0.1:1/kanjo?sslmode=hunter2",
        "postgresql://kanjo:pa%zzhunter2@127.0.0.1:1/kanjo",
        "postgresql://kanjo@127.0.0.1:1/kanjo?hunter2=blue",
        "password=hunter2 colour",
        "hunter2",
    ],
)
def test_a_misspelt_url_is_not_repeated(url):
    """It may hold a password: neither the message, nor the details, nor the trace show any of it."""
    with pytest.raises(SystemFailed) as caught, db.database(url=url):
        pass

    error = caught.value
    assert error.code == "database-url"
    assert "hunter2" not in "".join(traceback.format_exception(error))
    assert not error.details


def test_an_unknown_host_is_not_repeated():
    """A sign that was not escaped makes the rest of the password a part of the host."""
    with pytest.raises(SystemFailed) as caught, db.database(url="postgresql://kanjo:pa@hunter2@127.0.0.1:1/kanjo"):
        pass

    assert (caught.value.code, caught.value.details) == ("database-unreachable", {})
    assert "hunter2" not in caught.value.message and caught.value.__suppress_context__
