"""Connections: the one place where a session of the database gets its settings and its role."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from kanjo.db.explain import explain
from kanjo.errors import SystemFailed

Role = Literal["service", "owner"]

# What doors and workers run as; it may do only what the migrations granted (rule D-2).
SERVICE_ROLE = "kanjo_service"

# PostgreSQL 18 is what the SQL is written for and tested on.
VERSION_MIN = 180000

CONNECT_TIMEOUT_S = 15

STUCK_S = 5
"""A server on which a commit waits for other servers for so long answers nobody now."""
# Sessions are shown to the role that opened them, not to the one that they took.
_STUCK = """
SET ROLE NONE;
SELECT count(*) > 0 FROM pg_stat_activity
WHERE wait_event = 'SyncRep' AND query_start < clock_timestamp() - interval '{} s';
RESET ROLE
"""

# Held by every session, also on somebody else's PostgreSQL with other defaults.
SESSION = {
    "timezone": "UTC",
    "datestyle": "ISO",
    "default_transaction_isolation": "read committed",  # O-10
    "jit": "off",
    # Statements take whole columns as arrays: their plan does not depend on the values, so it is made once.
    "plan_cache_mode": "force_generic_plan",
}

# Of a URL that cannot be used, psycopg and libpq repeat the part at fault. With a sign out of place that may be a piece
# of the password (`user:pass@word@host` has the host `word@host`), so none of these words are passed on.
_VALUE_WORDS = ("connection is bad: invalid",)
_HOST_WORDS = ("failed to resolve host", "could not translate host name")
_SPELLING = "Check its spelling: signs such as / : @ % in a name or a password are written as %2F %3A %40 %25."


@dataclass(frozen=True, slots=True)
class Database:
    """A database of Kanjo that can be connected to.

    `url` is a conninfo string; it may hold a password, so it goes to other processes through their environment
    (`KANJO_DATABASE_URL`) and never through their arguments or a log.
    """

    url: str = field(repr=False)
    embedded: bool
    server_version: int

    def connect(
        self, *, role: Role = "service", autocommit: bool = False, to_post: bool = False
    ) -> psycopg.Connection[tuple[Any, ...]]:
        """Open a connection; `service` posts and reads, `owner` changes the schema. Errors: see `explain`.

        `to_post`: only where commits are answered. A primary that was cut off from the servers that its commits wait
        for lets everybody in and answers nobody; the next of the URL's hosts is tried, then it is `commits-stuck`.
        """
        whole = conninfo(self.url, role)
        left: str | None = whole
        while left is not None:
            try:
                connection = psycopg.connect(left, autocommit=True)
                if not to_post or not _is_stuck(connection):
                    connection.autocommit = autocommit
                    return connection
            except psycopg.Error as error:
                if left != whole:
                    break  # what keeps the others out is not what the caller waits for
                raise explain(error) from error
            left = _without(left, connection.info)
            connection.close()
        raise SystemFailed(
            "commits-stuck",
            f"Commits on this database have been waiting for another server for {STUCK_S} s or more, so nobody is "
            "answered. `kanjo sites status` says which server is missing; what waits is answered once it is back.",
        )

    @property
    def name(self) -> str:
        """The name of the database on its server."""
        return str(conninfo_to_dict(self.url).get("dbname") or "")

    def at(self, found: psycopg.ConnectionInfo) -> Database:
        """The same on the one server that was found, of a URL that names several."""
        if "," not in str(conninfo_to_dict(self.url).get("host") or ""):
            return self
        url = make_conninfo(self.url, host=found.host, port=str(found.port), hostaddr="")
        return Database(url, self.embedded, self.server_version)

    def named(self, name: str) -> Database:
        """Another database of the same server."""
        return Database(make_conninfo(self.url, dbname=name), self.embedded, self.server_version)


def _is_stuck(connection: psycopg.Connection[tuple[Any, ...]]) -> bool:
    cursor = connection.execute(_STUCK.format(STUCK_S))
    cursor.nextset()
    row = cursor.fetchone()
    return row is not None and row[0] is True


def _without(url: str, found: psycopg.ConnectionInfo) -> str | None:
    """The URL without the host that was found; None when there is no other."""
    given = conninfo_to_dict(url)
    hosts = str(given.get("host") or "").split(",")
    ports = str(given.get("port") or "").split(",")
    ports = ports if len(ports) == len(hosts) else ports[:1] * len(hosts)
    left = [
        (host, port) for host, port in zip(hosts, ports, strict=True) if (host, port) != (found.host, str(found.port))
    ]
    if not left or len(left) == len(hosts):
        return None
    return make_conninfo(url, host=",".join(host for host, _ in left), port=",".join(port for _, port in left))


def conninfo(url: str, role: Role) -> str:
    """The conninfo of a session in `role`: what `url` says, and our settings behind its own options."""
    given = conninfo_to_dict(url)
    session = SESSION | ({"role": SERVICE_ROLE} if role == "service" else {})
    options = " ".join(f"-c {name}={value.replace(' ', chr(92) + ' ')}" for name, value in session.items())
    return make_conninfo(
        url,
        options=f"{given.get('options') or ''} {options}".strip(),
        application_name=given.get("application_name") or f"kanjo {role}",
        connect_timeout=given.get("connect_timeout") or CONNECT_TIMEOUT_S,
        client_encoding="UTF8",
    )


def reach(url: str, *, embedded: bool) -> Database:
    """Connect once to learn that the database answers and is new enough. Error: `database-too-old`."""
    try:
        with psycopg.connect(conninfo(url, "owner")) as connection:
            version = connection.info.server_version
            name = connection.info.dbname
    except psycopg.ProgrammingError:
        raise _misspelt() from None
    except psycopg.Error as error:
        if any(words in str(error) for words in _VALUE_WORDS):
            raise _misspelt() from None
        if any(words in str(error) for words in _HOST_WORDS):
            raise SystemFailed(
                "database-unreachable", f"The host that KANJO_DATABASE_URL names is not known here. {_SPELLING}"
            ) from None
        raise explain(error) from error
    if version < VERSION_MIN:
        raise SystemFailed(
            "database-too-old",
            f"The database server is PostgreSQL {version // 10000}.{version % 10000}; Kanjo needs "
            f"{VERSION_MIN // 10000} or later. Point KANJO_DATABASE_URL at a newer one, or unset it to use the "
            "embedded one.",
            found=version,
            expected=VERSION_MIN,
        )
    return Database(make_conninfo(url, dbname=name), embedded, version)


def _misspelt() -> SystemFailed:
    return SystemFailed(
        "database-url",
        f"KANJO_DATABASE_URL is not of the form postgresql://user@host:5432/database. {_SPELLING}",
    )


def without_password(url: str) -> str:
    """The conninfo as it may be shown."""
    shown: dict[str, Any] = {name: value for name, value in conninfo_to_dict(url).items() if name != "password"}
    return make_conninfo(**shown)
