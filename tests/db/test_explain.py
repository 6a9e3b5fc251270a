"""Errors of the database as a user reads them."""

from __future__ import annotations

import psycopg
import pytest

from kanjo import db

# What several hosts said, one after the other.
FULL = "\n- host: 'b1', port: '5432': FATAL:  could not write init file: No space left on device"
READ_ONLY = "\n- host: 'a2', port: '5432': session is read-only"
UNKNOWN = "\n- host: 'a3', port: '5432': FATAL:  database \"x\" does not exist"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (psycopg.errors.DiskFull("could not extend file"), "disk-full"),
        (psycopg.errors.OutOfMemory("out of memory"), "database-out-of-memory"),
        (psycopg.errors.TooManyConnections("sorry"), "database-busy"),
        (psycopg.errors.ReadOnlySqlTransaction("cannot execute INSERT"), "database-read-only"),
        (psycopg.errors.InsufficientPrivilege("permission denied for table entry"), "database-right-missing"),
        (psycopg.errors.AdminShutdown("terminating connection"), "database-stopped"),
        (psycopg.errors.CannotConnectNow("the database system is starting up"), "database-starting"),
        (psycopg.errors.IoError("could not read"), "database-io"),
        (psycopg.errors.DataCorrupted("invalid page"), "database-corrupt"),
        (psycopg.errors.UndefinedTable('relation "ledger.account" does not exist'), "schema-unknown"),
        (psycopg.errors.ConnectionFailure("gone"), "database-unreachable"),
        (psycopg.errors.InvalidPassword("no"), "database-login-refused"),
        (psycopg.OperationalError("connection failed: Connection refused"), "database-unreachable"),
        (psycopg.OperationalError('FATAL:  database "x" does not exist'), "database-unknown"),
        (psycopg.OperationalError('FATAL:  role "x" does not exist'), "database-login-refused"),
        (psycopg.OperationalError('FATAL:  role "kanjo_service" does not exist'), "schema-unknown"),
        (psycopg.OperationalError("FATAL:  password authentication failed for user"), "database-login-refused"),
        (psycopg.OperationalError("FATAL:  sorry, too many clients already"), "database-busy"),
        (psycopg.OperationalError(f"connection failed: read-only{FULL}{READ_ONLY}"), "database-unreachable"),
        (psycopg.OperationalError(f"connection failed: read-only{READ_ONLY}{UNKNOWN}{FULL}"), "database-unknown"),
        (psycopg.OperationalError(f"connection failed: No space left on device{FULL}{FULL}"), "disk-full"),
        (psycopg.errors.DivisionByZero("division by zero"), "database-error"),
    ],
)
def test_each_error_gets_a_code_and_keeps_the_databases_words(error, code):
    """The code is stable, exit status is 3, and PostgreSQL's sentence is not lost."""
    explained = db.explain(error)

    assert (code, 3) == (explained.code, explained.exit_status)
    assert str(error) in explained.message
