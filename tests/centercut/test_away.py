"""A worker whose database is away waits for it as long as it was told, and no longer."""

from __future__ import annotations

import threading
import time

import pytest
from psycopg import sql

from kanjo import centercut, db, ledger
from kanjo.centercut.process import run_worker

PATIENCE_S = 1.0


def test_a_worker_gives_up_on_a_database_that_takes_no_writes(database: db.Database) -> None:
    """A standby lets everybody in: being connected is not being served."""
    with database.connect(role="owner", autocommit=True) as owner:
        owner.execute(
            sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(sql.Identifier(database.name))
        )
    began_s = time.monotonic()

    with pytest.raises(ledger.StoreAway):
        run_worker(database, centercut.Orders(patience_s=PATIENCE_S), lambda: False)

    assert time.monotonic() - began_s >= PATIENCE_S


def test_a_worker_goes_on_once_the_database_takes_writes(database: db.Database) -> None:
    """Within its patience nobody need start it again."""
    told = threading.Event()
    failed: list[BaseException] = []
    name = sql.Identifier(database.name)

    def work() -> None:
        try:
            run_worker(database, centercut.Orders(patience_s=30), told.is_set)
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
