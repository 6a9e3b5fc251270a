"""Errands of the long run, each a process of its own: loading the town's files, proving the laws.

A loader can be killed like a command, and the memory that a check takes goes with its process. It ends at once when
whoever started it is gone: what it had in hand is undone by the database.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import assert_never

import msgspec

from kanjo import centercut, check, db, transfers
from kanjo.centercut import REAL_CLOCK
from kanjo.errors import Refused
from kanjo.ledger import PostgresStore
from kanjo.soak.message import Done, Errand, Load, Loaded, Prove, Proved


def load(database: db.Database, errand: Load) -> Loaded:
    """Write and load; a file that is loaded already tells its run (R-4)."""
    payroll, debits = Path(errand.folder, "payroll.txt"), Path(errand.folder, "debits.txt")
    errand.town.write_payroll(payroll, errand.due)
    errand.town.write_debits(debits, errand.due)
    runs: list[int] = []
    with database.connect(autocommit=True) as connection:
        store = PostgresStore(connection)
        for path in (payroll, debits):
            business = centercut.business_named(transfers.business_of_file(path))
            try:
                loaded = centercut.load(store, business, path, now=REAL_CLOCK.now())
            except Refused as refused:
                if refused.code != "duplicate-file":
                    raise
                runs.append(int(str(refused.details["run"])))
            else:
                runs.extend(run.run for run in loaded.runs)
    return Loaded(runs)


def prove(database: db.Database, errand: Prove) -> Proved:
    """What callers were told is read before the database is looked at."""
    history = check.read_histories([Path(name) for name in errand.histories])
    with database.connect(autocommit=True) as connection:
        if not errand.whole:
            return Proved(laws=(check.prove_answers(connection, history=history),), calls=len(history.calls))
        proof = check.prove(connection, history=history)
    return Proved(laws=proof.laws, calls=len(history.calls), stuck=len(proof.stuck), pending=proof.pending_count)


def main(arguments: Sequence[str]) -> int:
    """An errand as JSON; what came of it is printed."""
    errand = msgspec.json.decode(arguments[0], type=Errand)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with db.database(migrate=False) as database:
        sys.stdout.buffer.write(msgspec.json.encode(_do(database, errand)) + b"\n")
    return 0


def _do(database: db.Database, errand: Errand) -> Done:
    match errand:
        case Load():
            return load(database, errand)
        case Prove():
            return prove(database, errand)
    assert_never(errand)


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)
