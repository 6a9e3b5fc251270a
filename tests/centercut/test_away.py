"""A worker whose database is away waits for it as long as it was told, and no longer."""

from __future__ import annotations

import socket
import threading
import time

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from kanjo import centercut, db, ledger
from kanjo.centercut import process
from kanjo.centercut.process import SILENT_S, run_worker
from kanjo.db.line import ServerSilent
from kanjo.errors import KanjoError

PATIENCE_S = 1.0


def test_a_worker_gives_up_on_a_database_that_takes_no_writes(database: db.Database) -> None:
    """A standby lets everybody in: being connected is not being served."""
    with database.connect(role="owner", autocommit=True) as owner:
        owner.execute(
            sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(sql.Identifier(database.name))
        )
    began_s = time.monotonic()

    with pytest.raises(ledger.StoreAway):
        run_worker(centercut.Orders(patience_s=PATIENCE_S), lambda: False, url=database.url)

    assert time.monotonic() - began_s >= PATIENCE_S


def test_a_worker_goes_on_once_the_database_takes_writes(database: db.Database) -> None:
    """Within its patience nobody need start it again."""
    told = threading.Event()
    failed: list[BaseException] = []
    name = sql.Identifier(database.name)

    def work() -> None:
        try:
            run_worker(centercut.Orders(patience_s=30), told.is_set, url=database.url)
        except BaseException as error:
            failed.append(error)

    with database.connect(role="owner", autocommit=True) as owner:
        owner.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(name))
        worker = threading.Thread(target=work)
        worker.start()
        time.sleep(0.5)
        owner.execute("SET default_transaction_read_only = off")
        owner.execute(sql.SQL("ALTER DATABASE {} RESET default_transaction_read_only").format(name))
        time.sleep(1)
        alive = worker.is_alive()
        told.set()
        worker.join(20)

    assert alive and not failed


def test_a_worker_that_begins_while_the_database_is_away_waits_too(database: db.Database) -> None:
    """It is hired in the moment in which the primary dies: nobody listens, and that is no reason to go home."""
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    away = make_conninfo(database.url, host="127.0.0.1", hostaddr="", port=port)
    began_s = time.monotonic()

    with pytest.raises(KanjoError) as raised:
        run_worker(centercut.Orders(patience_s=PATIENCE_S), lambda: False, url=away)

    assert raised.value.code == "database-unreachable"
    assert time.monotonic() - began_s >= PATIENCE_S


@pytest.mark.parametrize(
    ("cause", "waits"),
    [
        (ServerSilent("busy, or cut off"), [SILENT_S, 2 * SILENT_S, 4 * SILENT_S]),
        (psycopg.OperationalError("reset by peer"), [SILENT_S, SILENT_S, SILENT_S]),
    ],
)
def test_only_a_silent_server_is_given_more_time(
    database: db.Database, monkeypatch: pytest.MonkeyPatch, cause: Exception, waits: list[float]
) -> None:
    """One that was lost, in a move or a takeover, says nothing of how long a busy one may be silent."""
    given: list[float] = []

    def store_of(database: db.Database, *, silent_s: float) -> ledger.PostgresStore:
        given.append(silent_s)
        return ledger.store_of(database, silent_s=silent_s)

    def fails(*_: object, **__: object) -> None:
        raise ledger.OutcomeUnknown("the connection was lost") from cause

    monkeypatch.setattr(process, "store_of", store_of)
    monkeypatch.setattr(process, "work", fails)

    run_worker(centercut.Orders(patience_s=30), lambda: len(given) == len(waits), url=database.url)

    assert given == waits
