"""What a posting costs on the line, and what happens when its last round trip fails: design 4, law 1, C-2."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import msgspec
import psycopg
import pytest

from banks import CLIENT, CREDIT, MONDAY, TUESDAY, PostgresBank, key, number, prove
from kanjo import ledger
from kanjo.ledger import Asked, NotDecided, Outcome, OutcomeUnknown, PostgresStore

GUILTY = number(2)
NEIGHBOURS = [number(1), number(3)]


@contextmanager
def traced(postgres: PostgresBank, folder: Path) -> Iterator[list[str]]:
    """What goes over the line, message by message, by libpq's own trace; there at the end."""
    pgconn = postgres.connection.pgconn
    lines: list[str] = []
    with (folder / "trace").open("w+") as trace:
        pgconn.trace(trace.fileno())
        yield lines
        pgconn.untrace()
        trace.seek(0)
        lines.extend(trace)


@contextmanager
def counted(postgres: PostgresBank, folder: Path, expected: int) -> Iterator[None]:
    """So many round trips."""
    with traced(postgres, folder) as lines:
        yield
    assert len(re.findall(r"\tF\t\d+\t(?:Sync|Query)\b", "".join(lines))) == expected


def mixed(accounts: Sequence[int], seed: str) -> list[Asked]:
    """64 transactions of the kinds that doors see most."""
    asked: list[Asked] = []
    for place in range(64):
        one, other = accounts[place % len(accounts)], accounts[(place + 1) % len(accounts)]
        named = key(f"{seed} {place}")
        if place % 4 == 0:
            asked.append(ledger.transfer(CLIENT, named, one, other, 1))
        elif place % 4 == 1:
            asked.append(ledger.PlaceHold(client=CLIENT, key=named, account=one, amount_yen=1))
        elif place % 4 == 2:
            asked.append(ledger.withdrawal(CLIENT, named, one, 1))
        else:
            asked.append(ledger.Enquiry(one))
    return asked


def test_a_batch_is_two_round_trips(postgres: PostgresBank, tmp_path: Path) -> None:
    """One up to the decision and one for what it changes and COMMIT; also the first, which prepares them."""
    accounts = [postgres.account(number(place), 1_000) for place in range(1, 40)]
    postgres.run(TUESDAY)  # registered and not due
    for seed in ("first", "second"):
        with counted(postgres, tmp_path, 2):
            answers = ledger.post(postgres.store, mixed(accounts, seed))
        assert not any(isinstance(one, NotDecided) for one in answers)
    prove(postgres)


def test_what_a_usual_batch_writes_is_sent_in_one_piece(postgres: PostgresBank, tmp_path: Path) -> None:
    """Half of 64 callers, in a client's name of usual length: from 8,192 bytes on libpq sends a part ahead."""
    accounts = [postgres.account(number(place), 1_000) for place in range(1, 33)]
    client = "branch-001-teller-04"
    for seed in ("first", "prepared"):
        asked = [
            (ledger.deposit if place % 3 else ledger.withdrawal)(client, key(f"{seed} {place}"), account, 1)
            for place, account in enumerate(accounts)
        ]
        with traced(postgres, tmp_path) as lines:
            ledger.post(postgres.store, asked)
    *_, written, rest = "".join(lines).split("\tSync")
    assert "\tF\t" not in rest
    assert sum(int(length) + 1 for length in re.findall(r"\tF\t(\d+)\t", written)) < 8192
    prove(postgres)


def test_what_all_rows_share_and_what_they_do_not_is_stored_alike(postgres: PostgresBank) -> None:
    """A column of one value has one element on the line; each decision is read back as it was given, in either case."""
    one, other = postgres.account(number(1), 1_000), postgres.account(number(2), 1_000)
    paid = ledger.transfer(CLIENT, key("paid"), one, other, 5)
    alike: list[Asked] = [paid, ledger.transfer(CLIENT, key("paid too"), one, other, 6)]
    mixed_up: list[Asked] = [
        ledger.deposit("another", key("in"), one, 1),
        ledger.Reverse(client=CLIENT, key=key("back"), original=paid.key),
        ledger.PlaceHold(client="another", key=key("hold"), account=other, amount_yen=7),
        msgspec.structs.replace(ledger.deposit(CLIENT, key("late"), other, 8), value_date=MONDAY - timedelta(days=3)),
        ledger.withdrawal(CLIENT, key("too much"), number(3), 9),
    ]
    for asked in (alike, mixed_up):
        given = ledger.post(postgres.store, asked)
        again = [answer for one in asked for answer in ledger.post(postgres.store, [one])]
        assert again == [msgspec.structs.replace(answer, replayed=True) for answer in given]
    prove(postgres)


def test_runs_that_become_due_cost_one_round_trip_once(postgres: PostgresBank, tmp_path: Path) -> None:
    """Only the runs that are read under the day lock say what to look for; mostly they are those of the last batch."""
    accounts = [postgres.account(number(place), 1_000) for place in range(1, 40)]
    early, late = accounts[:20], accounts[20:]
    run = postgres.run(MONDAY)
    postgres.items(run, [(account, CREDIT, 5) for account in accounts])
    for trips, named, asking in ((3, "first", early), (2, "next", late)):
        with counted(postgres, tmp_path, trips):
            ledger.post(postgres.store, mixed(asking, named))
    assert len(postgres.results(run)) == len(accounts)

    more = postgres.run(MONDAY)
    postgres.items(more, [(account, CREDIT, 5) for account in accounts])
    with counted(postgres, tmp_path, 3):
        ledger.post(postgres.store, mixed(early, "another run"))
    assert len(postgres.results(more)) == len(early)

    postgres.cancel(more)
    with counted(postgres, tmp_path, 3):
        ledger.post(postgres.store, mixed(late, "cancelled"))
    assert len(postgres.results(more)) == len(early), "what was due lately is due no longer"
    with counted(postgres, tmp_path, 2):
        ledger.post(postgres.store, mixed(late, "and one run is left"))
    prove(postgres)


def test_a_unit_that_asks_nothing_costs_nothing(postgres: PostgresBank, tmp_path: Path) -> None:
    """It begins with its first statement."""
    with counted(postgres, tmp_path, 0), postgres.store.unit():
        pass


def test_a_unit_inside_of_a_transaction_is_refused(postgres: PostgresBank) -> None:
    """Its COMMIT would end what is around it."""
    account = postgres.account(GUILTY, 100)
    with postgres.store.unit() as unit:
        unit.day()
        with pytest.raises(RuntimeError, match="inside of a transaction"):
            ledger.enquire(postgres.store, account)
    with (
        postgres.connection.transaction(),
        pytest.raises(RuntimeError, match="inside of a transaction"),
    ):
        ledger.enquire(postgres.store, account)


def test_a_unit_whose_statement_failed_does_not_end_as_if_it_were_committed(postgres: PostgresBank) -> None:
    """PostgreSQL answers its COMMIT with a ROLLBACK and no error."""
    with pytest.raises(RuntimeError, match="passed over"), postgres.store.unit() as unit, suppress(psycopg.Error):
        unit.connection.execute("SELECT 1 / 0")
    assert ledger.enquire(postgres.store, postgres.account(GUILTY, 100)).balance_yen == 100


@pytest.mark.parametrize(
    ("table", "when", "statement"),
    [
        ("account", "UPDATE", "update_locked"),
        ("entry", "INSERT", "insert_request_entries"),
        ("request", "INSERT", "insert_requests"),
    ],
)
def test_law_1_a_statement_that_writes_too_few_rows_is_never_committed(
    postgres: PostgresBank, table: str, when: str, statement: str
) -> None:
    """COMMIT travels with it and is not executed: the guilty one is told, its neighbours are decided."""
    condition = "new.client = 'guilty'" if table == "request" else f"new.account = {GUILTY}"
    asked = [
        ledger.deposit("guilty" if account == GUILTY else CLIENT, key(account), postgres.account(account, 100), 5)
        for account in sorted([*NEIGHBOURS, GUILTY])
    ]
    postgres.owner.execute("CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    postgres.owner.execute(
        f"CREATE TRIGGER nothing BEFORE {when} ON ledger.{table}"
        f" FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION nothing()"
    )
    try:
        answers = ledger.post(postgres.store, asked)
    finally:
        postgres.owner.execute("DROP FUNCTION nothing CASCADE")

    assert [isinstance(one, Outcome) and one.accepted for one in answers] == [True, False, True]
    assert isinstance(answers[1], NotDecided)
    assert f"law 1: {statement} wrote 0 rows, expected 1" in answers[1].message
    assert postgres.balances()[GUILTY].balance_yen == 100
    assert set(postgres.requests()) == {key(account) for account in NEIGHBOURS}
    prove(postgres)


@pytest.mark.parametrize(
    ("table", "when", "committing"), [("account", "UPDATE", True), ("request", "INSERT", True), ("run", "none", False)]
)
def test_a_line_lost_beside_the_commit_leaves_the_outcome_unknown(
    postgres: PostgresBank, table: str, when: str, committing: bool
) -> None:
    """Once COMMIT was sent nobody knows; lost while reading, it is known that nothing happened."""
    asked = ledger.deposit(CLIENT, key(1), postgres.account(GUILTY, 100), 5)
    postgres.owner.execute(
        """CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
        'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN new; END'"""
    )
    if when == "none":
        postgres.owner.execute("SELECT pg_terminate_backend(%s, 5000)", (postgres.connection.info.backend_pid,))
    else:
        postgres.owner.execute(
            f"CREATE TRIGGER die BEFORE {when} ON ledger.{table} FOR EACH ROW EXECUTE FUNCTION die()"
        )
    try:
        with pytest.raises(OutcomeUnknown) as lost:
            ledger.post(postgres.store, [asked])
    finally:
        postgres.owner.execute("DROP FUNCTION die CASCADE")
    assert lost.value.committing is committing

    with postgres.database.connect(autocommit=True) as connection:
        [again] = ledger.post(PostgresStore(connection), [asked])
    assert isinstance(again, Outcome) and again.accepted and not again.replayed
    assert postgres.balances()[GUILTY].balance_yen == 105
    prove(postgres)


def test_statements_that_somebody_deallocated_are_prepared_anew(postgres: PostgresBank) -> None:
    """The posting meets a conflict and is decided afresh; its caller hears nothing of it."""
    postgres.account(GUILTY, 100)
    ledger.post(postgres.store, [ledger.deposit(CLIENT, key(1), GUILTY, 5)])
    postgres.connection.execute("DEALLOCATE ALL")
    [found] = ledger.post(postgres.store, [ledger.deposit(CLIENT, key(2), GUILTY, 5)])
    assert isinstance(found, Outcome) and found.accepted
    assert postgres.balances()[GUILTY].balance_yen == 110


def test_entries_saved_are_the_entries_answered(postgres: PostgresBank) -> None:
    """Those of an answer are recomputed from what it was decided on; those stored are gathered while deciding."""
    accounts = [postgres.account(number(place), 1_000) for place in range(1, 6)]
    several = ledger.Post(
        client=CLIENT,
        key=key("several"),
        kind_of=ledger.Kind.TRANSFER,
        movements=tuple(
            ledger.Movement(one, other, 7) for one, other in zip(accounts, accounts[1:] + accounts[:1], strict=True)
        ),
        value_date=MONDAY - timedelta(days=1),
    )
    answers = ledger.post(postgres.store, [*mixed(accounts, "mixed"), several])
    answered = sorted(
        (line.account, line.sequence, line.amount_yen, line.balance_yen)
        for one in answers
        if isinstance(one, Outcome)
        for line in one.entries
    )
    stored = postgres.owner.execute(
        "SELECT account, sequence, amount, balance FROM ledger.entry WHERE key IS NOT NULL ORDER BY 1, 2"
    ).fetchall()
    assert stored == answered
    prove(postgres)
