"""Statements sent together and answered together, one round trip for all of them: the hot paths' way to the database.

psycopg looks at the socket and adapts values statement by statement, 40 µs each; columns are packed already, so here
the whole of a round trip is handed to libpq's pipeline at once, for a fifth of that.
"""

from __future__ import annotations

import ctypes
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from itertools import count
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

import psycopg
from psycopg import abc, errors, generators, waiting
from psycopg.adapt import Transformer
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.pq.abc import PGresult

from kanjo.db.columns import Column

Statement: TypeAlias = tuple[str, Mapping[str, Any]]
"""SQL with its parameters as %(name)s, and their values: columns, integers, texts, dates, truth values."""

SILENT_S = 600.0
"""No round trip takes so long: a server that says nothing is frozen, or its host or the way there is lost, which TCP
may find out much later or never."""
WAKE_S = 0.1
"""So often somebody who waits looks whether he was interrupted."""
_NUMBERS = count()
_PARAMETER = re.compile(r"%\((\w+)\)s")
_VERB = re.compile(r"(?:--.*\n)*(\w+)")
STALE = (errors.InvalidSqlStatementName, errors.FeatureNotSupported)
"""What a prepared statement meets when somebody deallocated it, or changed what it returns: it must be made anew."""


class ServerSilent(psycopg.OperationalError):
    """A server that said nothing for too long; its connection is given up."""


class Found:
    """What one statement gave."""

    __slots__ = ("_loading", "_result")

    def __init__(self, result: PGresult, loading: abc.Transformer) -> None:
        self._result = result
        self._loading = loading

    @property
    def rows_count(self) -> int:
        """How many rows it read or wrote."""
        return self._result.ntuples or self._result.command_tuples or 0

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        """Its rows as Python's values."""
        if not self._result.ntuples:
            return []
        self._loading.set_pgresult(self._result)
        return self._loading.load_rows(0, self._result.ntuples, tuple)

    @property
    def row_packed(self) -> list[bytes | None]:
        """Its one row as it came, in PostgreSQL's binary formats."""
        assert self._result.ntuples == 1
        return [self._result.get_value(0, place) for place in range(self._result.nfields)]


class _Prepared(NamedTuple):
    """A statement as this connection knows it: its name there, its parameters, and which of them come packed."""

    name: bytes
    values: Callable[[Mapping[str, Any]], Sequence[Any]]
    formats: Sequence[int]


class Line:
    """Round trips on one connection in autocommit mode, which psycopg may use in between. For one thread at a time."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        self._pgconn = connection.pgconn
        self._loading = Transformer(connection)
        self._prepared: dict[str, _Prepared] = {}
        self.silent_s = SILENT_S
        """After so long without an answer the connection is given up."""
        self.warnings: set[str | None] = set()
        """SQLSTATEs of what the server warned of in the last round trip."""
        connection.add_notice_handler(lambda said: self.warnings.add(said.sqlstate))

    def exchange(self, statements: Sequence[Statement]) -> list[Found]:
        """Execute them in order. When one fails, those behind it are not executed, and its error is raised.

        Outside of a transaction block they are one transaction.
        """
        pgconn = self._pgconn
        self.warnings.clear()
        pgconn.enter_pipeline_mode()
        try:
            preparing = [self._send(text, parameters) for text, parameters in statements]
            send_with_sync(pgconn)
            results_count = len(statements) + sum(prepared is not None for prepared in preparing) + 1
            # not by the connection's own wait: at Ctrl-C that cancels a COMMIT, which is visible here then, and maybe
            # nowhere else
            told = _communicate(pgconn, results_count)
            results = waiting.wait(told, pgconn.socket, interval=WAKE_S, timeout=self.silent_s)
            pgconn.exit_pipeline_mode()
        except BaseException as error:
            if pgconn.status != ConnStatus.BAD:
                self.connection.close()  # answers left in it would be taken for those of the next exchange
            if isinstance(error, errors._WaitTimeout):
                raise ServerSilent(f"the server said nothing for {self.silent_s:g} s") from error
            raise
        return self._found(statements, preparing, results)

    def _send(self, text: str, parameters: Mapping[str, Any]) -> _Prepared | None:
        """Queue it; returns how it is being prepared if it was not yet."""
        known = self._prepared.get(text)
        preparing = None
        if known is None:
            known = preparing = self._prepare(text, parameters)
        name, values, formats = known
        packed = [
            value.packed if format else _literal(value)
            for value, format in zip(values(parameters), formats, strict=True)
        ]
        self._pgconn.send_query_prepared(name, packed, formats, 1)
        return preparing

    def _prepare(self, text: str, parameters: Mapping[str, Any]) -> _Prepared:
        names = tuple(dict.fromkeys(_PARAMETER.findall(text)))
        numbered = _PARAMETER.sub(lambda match: f"${names.index(match[1]) + 1}", text)
        values = [parameters[name] for name in names]
        name = f"line_{next(_NUMBERS)}_{_verb(text)}".encode()
        # a single value's type is what the statement makes of it, as with a literal
        oids = [value.array_oid if isinstance(value, Column) else 0 for value in values]
        self._pgconn.send_prepare(name, numbered.encode(), oids)
        formats = [1 if isinstance(value, Column) else 0 for value in values]
        return _Prepared(name, _taking(names), formats)

    def _found(
        self, statements: Sequence[Statement], preparing: Sequence[_Prepared | None], results: Sequence[PGresult]
    ) -> list[Found]:
        for result in results:
            if result.status == ExecStatus.FATAL_ERROR:
                error = errors.error_from_result(result)
                if isinstance(error, STALE):
                    self._prepared.clear()
                raise error
        left = iter(results)
        found = []
        for (text, _), prepared in zip(statements, preparing, strict=True):
            if prepared is not None:
                next(left)
                self._prepared[text] = prepared
            found.append(Found(next(left), self._loading))
        return found


_LIBPQ = ctypes.CDLL(sys.modules[psycopg.pq.PGconn.__module__].__file__)
"""The very library that psycopg is bound to, since what a binding needs is looked up through it too."""
_LIBPQ.PQpipelineSync.argtypes = [ctypes.c_void_p]


def send_with_sync(pgconn: psycopg.pq.abc.PGconn) -> None:
    """Send what is queued, with a request to answer, and without Python's lock, which psycopg's own method keeps.

    The server's process that this wakes may push our thread off its core at once: with the lock in its hand, all other
    threads would stand still until it comes back.
    """
    if not _LIBPQ.PQpipelineSync(pgconn.pgconn_ptr):  # type: ignore[attr-defined]  # public, but not in the protocol
        raise errors.OperationalError(pgconn.get_error_message())


def _verb(text: str) -> str:
    """The word that says what it does, so that whoever watches the line sees a COMMIT as one."""
    found = _VERB.match(text)
    return found[1] if found else ""


def _taking(names: Sequence[str]) -> Callable[[Mapping[str, Any]], Sequence[Any]]:
    """What takes the values of these names, in this order."""
    return itemgetter(*names) if len(names) > 1 else lambda parameters: [parameters[name] for name in names]


def _literal(value: int | str | date | bool | None) -> bytes | None:
    if value is None:
        return None
    assert isinstance(value, (int, str, date)), f"{type(value).__name__} cannot be sent"
    return (value.isoformat() if isinstance(value, date) else str(value)).encode()


def _communicate(pgconn: psycopg.pq.abc.PGconn, results_count: int) -> abc.PQGen[list[PGresult]]:
    """Send what is queued and wait for so many results, the end of the pipeline among them."""
    if pgconn.flush():
        yield from generators.send(pgconn)
    results: list[PGresult] = []
    while len(results) < results_count:
        more = yield from generators.fetch_many(pgconn)
        if not more:
            raise errors.OperationalError("the connection was lost")
        results.extend(more)
        if results[-1].status == ExecStatus.FATAL_ERROR and pgconn.status == ConnStatus.BAD:
            break  # the server's last word, such as that it shuts down
    return results
