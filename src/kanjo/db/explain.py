"""What a database error means for the person in front of it: a stable code, a sentence, what to do."""

from __future__ import annotations

import psycopg

from kanjo.errors import SystemFailed

# By SQLSTATE, or by its class (the first two characters).
_BY_STATE = {
    "53100": ("disk-full", "The database's disk is full. Free some space on it and run the command again."),
    "53200": ("database-out-of-memory", "The database ran out of memory. Give it more, or run fewer commands at once."),
    "53300": ("database-busy", "The database has no connection left. Run fewer commands at once."),
    "25006": (
        "database-read-only",
        "The database accepts no writes: it is a standby or set read-only. Point KANJO_DATABASE_URL at the primary.",
    ),
    "28": ("database-login-refused", "The database does not let this user in. Check KANJO_DATABASE_URL."),
    "3D000": ("database-unknown", "There is no such database. Create it, or correct KANJO_DATABASE_URL."),
    "42501": ("database-right-missing", "The database user lacks a right that Kanjo needs."),
    "55K01": (
        "doors-shut",
        "This ledger was restored from a backup, and its doors stay shut until two persons release it "
        "(`kanjo backup release`). Nothing was decided; every key is free.",
    ),
    "57P01": ("database-stopped", "The database was stopped under this command. Run it again: it goes on safely."),
    "57P02": ("database-stopped", "The database crashed under this command. Run it again: it goes on safely."),
    "57P03": ("database-starting", "The database is starting or stopping. Wait a moment and run the command again."),
    "57014": ("database-cancelled", "The database was told to cancel this statement."),
    "58": ("database-io", "The database met an error of its disk or operating system. See its log."),
    "XX001": ("database-corrupt", "The database found damaged data. Stop using it and restore from a backup."),
    "XX002": ("database-corrupt", "The database found a damaged index. See its log before going on."),
    "3F000": ("schema-unknown", "The database has not the schema of this Kanjo. Run `kanjo up`."),
    "42P01": ("schema-unknown", "The database has not the schema of this Kanjo. Run `kanjo up`."),
    "08": ("database-unreachable", "The connection to the database broke. Run the command again: it goes on safely."),
}

PASSING = frozenset(
    {"database-stopped", "database-starting", "database-unreachable", "database-read-only", "commits-stuck"}
)
"""Codes of a database that comes back, or whose place another takes: what failed by it may be tried again."""

# A refused connection bears no SQLSTATE, only libpq's words.
_BY_WORDS = (
    ("No space left on device", "53100"),
    ("too many clients", "53300"),
    ("remaining connection slots", "53300"),
    ("starting up", "57P03"),
    ("shutting down", "57P03"),
    ("not yet accepting", "57P03"),
    ("authentication failed", "28"),
    ("no pg_hba.conf entry", "28"),
    ("no password supplied", "28"),
    ('role "kanjo_service" does not exist', "42P01"),
    ("permission denied to set role", "42501"),
    ('role "', "28"),
    ("does not exist", "3D000"),
)

_A_TRY = "- host: "
_NO_ROOM = "53"


def _entry(state: str) -> tuple[str, str] | None:
    return _BY_STATE.get(state) or _BY_STATE.get(state[:2])


def _state_of(said: str) -> str | None:
    """By libpq's words. Of several hosts that were tried, one without room of its own says nothing about the others."""
    tries = [line for line in said.splitlines() if line.startswith(_A_TRY)] or [said]
    states = [next((state for words, state in _BY_WORDS if words in one), None) for one in tries]
    told = [state for state in states if state is None or not state.startswith(_NO_ROOM)] or states
    return next((state for state in told if state is not None), None)


def explain(error: psycopg.Error) -> SystemFailed:
    """Turn an error of the database into one for the user; PostgreSQL's own words are kept under `said`.

    An error that is not listed keeps its text and the code `database-error`.
    """
    said = str(error).strip()
    state = error.sqlstate or _state_of(said)
    found = _entry(state) if state else None
    if found is None and state is None and isinstance(error, psycopg.OperationalError):
        found = (
            "database-unreachable",
            "The database does not answer. Check that it runs and that KANJO_DATABASE_URL, if set, names it; an "
            "embedded one starts again with the next command.",
        )
    code, advice = found or ("database-error", "The database refused a statement.")
    return SystemFailed(code, f"{advice} PostgreSQL says: {said}", said=said, sqlstate=error.sqlstate)
