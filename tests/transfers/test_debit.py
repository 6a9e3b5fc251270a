"""Direct debit: results by A.6, the collected total, mandates, withdrawals, cancelling (R-3, R-7, R-9)."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from uuid import uuid4

import pytest
from office import NOW, OTHER_BANK, TUESDAY, Group, Office, number

from kanjo import centercut, ledger, transfers
from kanjo.errors import Refused, SystemFailed
from kanjo.formats import zengin
from kanjo.ledger import Code, Status
from kanjo.transfers.kept import SQL

COLLECTOR, PAYER, POOR, STOPPED, FROZEN, CLOSED, UNKNOWN = (number(index) for index in (1, 2, 3, 4, 5, 6, 99))


def load_debits(office: Office, *items: tuple[int, int] | tuple[int, int, int], encoding: str = "cp932") -> int:
    """Accounts of every kind, and a run of debits, due on Tuesday, which is not open yet."""
    office.accounts(
        (COLLECTOR, 0),
        (PAYER, 1_000),
        (POOR, 10),
        (STOPPED, 1_000, "debit-stopped"),
        (FROZEN, 1_000, "frozen"),
        (CLOSED, 0, "closed"),
    )
    [run] = office.load(office.file("91", Group(COLLECTOR, *items), encoding=encoding)).runs
    return run.run


ONE_OF_EACH = (
    (PAYER, 100),
    (POOR, 100),
    (UNKNOWN, 100),
    (CLOSED, 100),
    (PAYER, 100, OTHER_BANK),
    (STOPPED, 100),
    (FROZEN, 100),
)


def test_every_reason_has_its_result(office: Office) -> None:
    """Paid 0, short 1, unknown, closed and other bank's 2, debit-stopped 3, frozen 9 (A.6)."""
    run = load_debits(office, *ONE_OF_EACH)
    office.open(TUESDAY)
    office.settle(run)

    assert office.result(run)[1] == [0, 1, 2, 2, 2, 3, 9]
    assert (office.balance(COLLECTOR), office.balance(PAYER), office.suspense(run)) == (100, 900, 0)


def test_a_request_in_ebcdic_gets_its_result_in_ebcdic(office: Office) -> None:
    """The file goes back in the code it came in."""
    run = load_debits(office, *ONE_OF_EACH, encoding="ebcdic")
    office.open(TUESDAY)
    office.settle(run)
    content, codes = office.result(run)

    assert content[:1] == b"\xf1"
    assert codes == [0, 1, 2, 2, 2, 3, 9]


def test_mandates_count_once_the_originators_list_is_loaded(office: Office) -> None:
    """No mandate is 4, a stopped one 3; customer numbers agree whether zero-filled or not."""
    run = load_debits(office, (PAYER, 100), (PAYER, 100), (PAYER, 100), (POOR, 1))
    lines = ["originator,customer,account,status\n", "7,1,001-1-0000002,active\n", "7,0002,001-1-0000002,stopped\n"]
    ledger.import_mandates(office.store, lines, name="mandates.csv")
    office.open(TUESDAY)
    office.settle(run)

    assert office.result(run)[1] == [0, 3, 4, 4]
    assert office.balance(COLLECTOR) == 100


def test_without_a_list_nobody_asks_for_mandates(office: Office) -> None:
    """Another originator's list is not this one's."""
    run = load_debits(office, (PAYER, 100))
    ledger.import_mandates(office.store, ["originator,customer,account\n", "8,1,001-1-0000003\n"], name="mandates.csv")
    office.open(TUESDAY)
    office.settle(run)

    assert office.result(run)[1] == [0]


def test_fv_7_a_withdrawn_item_is_8_and_leaves_its_money_to_the_next(office: Office) -> None:
    """The originator withdraws the first debit; the second, which was short, is paid."""
    run = load_debits(office, (PAYER, 600), (PAYER, 600))
    centercut.withdraw(office.store, run, 1)
    office.open(TUESDAY)
    office.settle(run)

    assert office.result(run)[1] == [8, 0]
    with pytest.raises(Refused, match="has its outcome already"):
        centercut.withdraw(office.store, run, 2)


def test_an_item_of_another_bank_cannot_be_withdrawn(office: Office) -> None:
    """It never became an item here."""
    run = load_debits(office, *ONE_OF_EACH)
    with pytest.raises(Refused) as caught:
        centercut.withdraw(office.store, run, 5)

    assert caught.value.code == "item-unknown"


def test_r_3_cancelled_before_its_date_all_are_8(office: Office) -> None:
    """The result says so; other banks' accounts stay 2."""
    run = load_debits(office, *ONE_OF_EACH)
    assert office.cancel(run) == "cancelled"

    assert office.result(run)[1] == [8, 8, 8, 8, 2, 8, 8]
    assert (office.balance(COLLECTOR), office.suspense(run)) == (0, 0)


def test_r_3_cancelled_half_settled_what_was_collected_is_credited(office: Office) -> None:
    """What an enquiry had settled stays paid."""
    run = load_debits(office, (PAYER, 100), (POOR, 5))
    office.open(TUESDAY)
    assert office.balance(PAYER) == 900
    office.cancel(run)

    assert office.result(run)[1] == [0, 8]
    assert (office.balance(COLLECTOR), office.balance(POOR), office.suspense(run)) == (100, 10, 0)


def test_r_7_a_frozen_collector_gets_its_total_in_suspense(office: Office) -> None:
    """The run completes, and its note says where the money is."""
    run = load_debits(office, (PAYER, 100))
    frozen = ledger.ChangeAccount(client="test", key=uuid4(), account=COLLECTOR, status=Status.FROZEN)
    ledger.post(office.store, [frozen])
    office.open(TUESDAY)
    office.settle(run)
    row = office.status(run).row

    assert row.finished == "completed"
    assert (office.code(Code.SUSPENSE), office.suspense(run)) == (100, 0)
    assert "100 yen (collected) could not be credited to 001-1-0000001" in row.note


def test_an_operators_failed_item_is_9(office: Office) -> None:
    """A stuck item that is given up had a system reason (O-9)."""
    run = load_debits(office, (PAYER, 100), (POOR, 5))
    office.owner.execute(
        "INSERT INTO ledger.stuck_item (cell, account, run, item, error) VALUES (0, %s, %s, 1, 'a test')", (PAYER, run)
    )
    office.open(TUESDAY)
    centercut.fail(office.store, run, 1)
    office.settle(run)

    assert office.result(run)[1] == [9, 0]


def test_r_9_an_unfinished_run_has_no_result(office: Office) -> None:
    """Nothing is written, neither to a stream nor to a file."""
    run = load_debits(office, (PAYER, 100))
    stream = BytesIO()
    for asked in (
        lambda: transfers.write_result(office.store, run, stream),
        lambda: transfers.save_result(office.store, run, office.folder / "result.txt"),
    ):
        with pytest.raises(Refused) as caught:
            asked()
        assert caught.value.code == "run-not-finished"

    assert stream.getvalue() == b""
    assert [path.name for path in office.folder.iterdir()] == ["file.txt"]


def test_an_unknown_run_has_no_files(office: Office) -> None:
    """A wrong number is said so."""
    for asked in (
        lambda: transfers.save_result(office.store, 9, office.folder / "a"),
        lambda: transfers.write_outgoing(office.store, 9, office.folder / "a"),
    ):
        with pytest.raises(Refused) as caught:
            asked()
        assert caught.value.code == "run-unknown"


def test_an_empty_request_gets_an_empty_result(office: Office) -> None:
    """A group of no records closes when it is started, and its result passes our own reader."""
    run = load_debits(office)
    office.open(TUESDAY)
    office.settle(run)

    assert office.result(run)[1] == []
    assert office.status(run).row.finished == "completed"


def test_a_result_replaces_a_file_whole(office: Office) -> None:
    """An older file of that name is replaced at the end and not before; nothing else is left in the folder."""
    run = load_debits(office, *ONE_OF_EACH)
    office.open(TUESDAY)
    office.settle(run)
    path = office.folder / "result.txt"
    path.write_text("old")

    assert transfers.save_result(office.store, run, path) == 7
    assert path.read_bytes() == office.result(run)[0]
    assert sorted(found.name for found in office.folder.iterdir()) == ["file.txt", "result.txt"]


def test_a_link_and_a_device_keep_their_places(office: Office) -> None:
    """`--out /dev/stdout` must not replace what stands there: a link leads on, a device is written as it goes."""
    run = load_debits(office, *ONE_OF_EACH)
    office.open(TUESDAY)
    office.settle(run)
    link, real = office.folder / "link.txt", office.folder / "real.txt"
    link.symlink_to(real)

    transfers.save_result(office.store, run, link)
    transfers.save_result(office.store, run, Path("/dev/null"))

    assert link.is_symlink() and real.read_bytes() == office.result(run)[0]
    assert Path("/dev/null").is_char_device()


def test_a_place_that_cannot_be_written_is_said_so(office: Office) -> None:
    """The system failed; the run is as it was."""
    run = load_debits(office, (PAYER, 100))
    office.cancel(run)
    with pytest.raises(SystemFailed) as caught:
        transfers.save_result(office.store, run, office.folder / "nowhere" / "result.txt")

    assert caught.value.code == "cannot-write"


def test_a_request_of_many_chunks_comes_back_in_order(office: Office) -> None:
    """40,000 records, more than two chunks: each has the result of its own account."""
    count = 40_000
    items = [((PAYER, UNKNOWN)[index % 3 == 0], 1) for index in range(count)]
    office.accounts((COLLECTOR, 0), (PAYER, 10_000))
    [run] = office.load(office.file("91", Group(COLLECTOR, *items))).runs
    office.open(TUESDAY)
    office.settle(run.run)
    content, codes = office.result(run.run)

    ours = [index for index in range(count) if index % 3]
    assert [index for index, code in enumerate(codes) if code == 0] == ours[:10_000]
    assert [index for index, code in enumerate(codes) if code == 2] == list(range(0, count, 3))
    [end] = [event for event in zengin.Reader(BytesIO(content)) if isinstance(event, zengin.GroupEnd)]
    assert (end.trailer.paid_count, end.trailer.paid_amount_yen, end.is_result) == (10_000, 10_000, True)


def test_cancelling_and_writing_a_result_tell_how_far_they_are(office: Office) -> None:
    """Long steps are shown: what each commit settled, what each chunk held; together all there is."""
    run = load_debits(office, *[(PAYER, 1)] * 5)
    cancelled: list[int] = []
    written: list[int] = []

    centercut.cancel(office.store, run, NOW, progress=cancelled.append)
    transfers.save_result(office.store, run, office.folder / "result.txt", progress=written.append)

    assert (sum(cancelled), sum(written)) == (5, 5)


def test_the_look_ups_of_a_result_stay_on_their_keys(office: Office) -> None:
    """Without statistics, as right after a big load, a result is found by its key for each record."""
    text = SQL["records_with_reasons"]
    for place, name in enumerate(("cell", "run", "first", "last"), 1):
        text = text.replace(f"%({name})s", f"${place}")
    rows = office.connection.execute(f"EXPLAIN (GENERIC_PLAN) {text}").fetchall()  # type: ignore[arg-type]
    plan = "\n".join(row[0] for row in rows)

    assert "Join Filter" not in plan
    key = ("cell", "run", "account", "item")
    assert f"Index Cond: ({' AND '.join(f'({name} = record.{name})' for name in key)})" in plan
    assert "Seq Scan" not in plan
