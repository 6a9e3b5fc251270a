"""Round trips of several statements, and what they leave behind when something goes wrong."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from kanjo.db import Database
from kanjo.db.columns import Column, Int2, Int4, Int8, Text, Uuid
from kanjo.db.line import Line, ServerSilent, send_with_sync


@pytest.fixture
def line(database: Database) -> Iterator[Line]:
    """A line to an empty table of numbers."""
    with database.connect(role="owner", autocommit=True) as connection:
        connection.execute("CREATE TABLE number (number bigint PRIMARY KEY, said text)")
        yield Line(connection)
        if not connection.closed:
            connection.execute("DROP TABLE number")


INSERT = "INSERT INTO number SELECT * FROM unnest(%(numbers)s, %(said)s)"
READ = "SELECT number, said FROM number WHERE number = ANY (%(numbers)s) ORDER BY number"


def insert(*numbers: int) -> tuple[str, dict[str, Any]]:
    return INSERT, {"numbers": Int8(numbers), "said": Text(None if number == 0 else str(number) for number in numbers)}


def read(*numbers: int) -> tuple[str, dict[str, Any]]:
    return READ, {"numbers": Int8(numbers)}


def test_statements_see_what_those_before_them_wrote(line: Line) -> None:
    """Rows and counts come in the order of the statements, the first time and when they are prepared."""
    for first in (0, 10):
        found = line.exchange([read(first), insert(first, first + 1), read(first, first + 1, 99)])
        assert [one.rows_count for one in found] == [0, 2, 2]
        assert found[2].rows == [(first, None if first == 0 else str(first)), (first + 1, str(first + 1))]


def test_single_values_are_what_the_statement_makes_of_them(line: Line) -> None:
    """Integers, texts, dates, truth values and NULL need no type of their own."""
    text = "SELECT %(a)s::smallint + 1, %(b)s || 'x', %(c)s::date - 1, NOT %(d)s::boolean, %(e)s::integer IS NULL"
    [found] = line.exchange([(text, {"a": 1, "b": "ä", "c": date(2026, 8, 24), "d": True, "e": None})])
    assert found.rows == [(2, "äx", date(2026, 8, 23), False, True)]


def test_what_stands_behind_a_failure_is_not_executed(line: Line) -> None:
    """COMMIT too: nothing of the round trip stays, and the line works on."""
    line.exchange([insert(1)])
    with pytest.raises(psycopg.errors.UniqueViolation):
        line.exchange([("BEGIN", {}), insert(2), insert(1), insert(3), ("COMMIT", {})])
    assert line.connection.info.transaction_status == psycopg.pq.TransactionStatus.INERROR
    line.exchange([("ROLLBACK", {})])
    assert line.exchange([read(1, 2, 3)])[0].rows == [(1, "1")]


def test_what_somebody_else_deallocated_is_prepared_anew(line: Line) -> None:
    """psycopg deallocates everything after an error of its own: one exchange fails, the next works."""
    line.exchange([insert(1), read(1)])
    line.connection.execute("DEALLOCATE ALL")
    with pytest.raises(psycopg.errors.InvalidSqlStatementName):
        line.exchange([read(1)])
    assert line.exchange([read(1)])[0].rows == [(1, "1")]


def test_two_lines_on_one_connection_do_not_mix_their_statements(line: Line) -> None:
    """Stores come and go on a connection."""
    other = Line(line.connection)
    line.exchange([read(1)])
    other.exchange([insert(1)])
    assert line.exchange([read(1)])[0].rows == other.exchange([read(1)])[0].rows == [(1, "1")]


def test_a_lost_connection_is_told(line: Line, database: Database) -> None:
    """Whether the server had a last word or not."""
    with database.connect(role="owner", autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (line.connection.info.backend_pid,))
        with pytest.raises(psycopg.OperationalError):
            line.exchange([read(1), read(2)])
        assert line.connection.broken
        other.execute("DROP TABLE number")


def test_an_interrupted_exchange_leaves_no_answers_for_the_next(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """They would be taken for its own, so the connection is closed."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("kanjo.db.line.waiting.wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        line.exchange([insert(1)])
    monkeypatch.undo()
    assert line.connection.closed


def test_an_exchange_is_one_round_trip(line: Line, tmp_path: Path) -> None:
    """However many statements, prepared or not: the server is asked to answer once."""
    with (tmp_path / "trace").open("w+") as trace:
        line.connection.pgconn.trace(trace.fileno())
        line.exchange([insert(*range(1000)), read(1), read(2)])
        line.connection.pgconn.untrace()
        trace.seek(0)
        assert len(re.findall(r"\tF\t\d+\tSync", trace.read())) == 1


def test_who_waits_computes_nothing(line: Line) -> None:
    """The core is the server's meanwhile."""
    began_s = time.thread_time()
    line.exchange([("SELECT pg_sleep(1)", {})])
    assert time.thread_time() - began_s < 0.2


def test_other_threads_get_on_while_the_line_sends(line: Line) -> None:
    """The server's process that is woken by it may take the core: Python's lock must not be taken along."""
    steps = 0
    ended = threading.Event()

    def step() -> None:
        nonlocal steps
        while not ended.is_set():
            steps += 1
            time.sleep(0)

    interval_s = sys.getswitchinterval()
    other = threading.Thread(target=step)
    try:
        other.start()
        sys.setswitchinterval(60)  # nobody is made to give the lock away
        line.connection.pgconn.enter_pipeline_mode()
        before = steps
        for _ in range(100_000):  # a busy machine may leave the other thread no core for a while
            send_with_sync(line.connection.pgconn)
            if steps > before:
                break
        assert steps > before
    finally:
        sys.setswitchinterval(interval_s)
        ended.set()
        other.join()
        line.connection.close()


def test_columns_of_texts_and_uuids_hold_nulls(line: Line) -> None:
    """As references of requests do."""
    text = "SELECT %(texts)s, %(uuids)s, %(none)s"
    [found] = line.exchange([(text, {"texts": Text(["a", None, "a"]), "uuids": Uuid([None]), "none": Uuid([])})])
    assert found.rows == [(["a", None, "a"], [None], [])]


@pytest.mark.parametrize("count", [3, 300])
@pytest.mark.parametrize(("column", "beyond"), [(Int2, 2**15), (Int4, 2**31)])
def test_a_column_refuses_what_has_no_room(column: type[Column], beyond: int, count: int) -> None:
    """Few or many, as numbers or as an array: numpy would cut it off and say nothing."""
    for values in ([beyond] * count, np.full(count, beyond, np.int64)):
        with pytest.raises(OverflowError):
            column(values)
    assert len(column(np.full(count, beyond - 1, np.int64)).packed) > count


def test_a_server_that_says_nothing_is_told_from_one_that_was_lost(line: Line) -> None:
    """Its line is given up all the same."""
    line.silent_s = 0.2
    with pytest.raises(ServerSilent, match=r"said nothing for 0\.2 s"):
        line.exchange([("SELECT pg_sleep(5)", {})])

    assert line.connection.closed
