"""Loading: R-4 identity, O-3 registration, whole or not at all, slices; on both stores the same rows."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from banks import CREDIT, DEBIT, MONDAY, TUESDAY, WEDNESDAY, PostgresBank, number
from cuts import EMPLOYER, NOW, NOWHERE, Bills, Cut, Wages, columns, digest_of, memory_cut, wait_until, waiting_sessions
from kanjo import centercut, ledger
from kanjo.centercut import Business, Items, Loading, Payment, RunRow, Totals
from kanjo.errors import KanjoError, Refused
from kanjo.ledger import Item, Phase, PostgresStore

ANN, BOB, CAM = number(1), number(2), number(3)


def _refused(code: str) -> pytest.RaisesExc[KanjoError]:
    return pytest.RaisesExc(KanjoError, check=lambda error: error.code == code)


def test_a_load_registers_what_it_counted(cut: Cut) -> None:
    """Items, amounts, other banks' share, funding, reference and account stand in the run."""
    run = cut.wages(TUESDAY, (ANN, 10), (BOB, 20), others=(3, 70))

    row = cut.status(run).row

    assert (row.business, row.due, row.phase, row.priority) == ("test-wages", TUESDAY, Phase.PRE_BUSINESS, 40)
    assert (row.items, row.amount_yen, row.other_bank_items, row.other_bank_amount_yen) == (2, 30, 3, 70)
    assert (row.funded_yen, row.account, row.reference) == (100, EMPLOYER, "employer")


def test_r_4_the_same_content_twice_is_refused_and_names_the_run(cut: Cut) -> None:
    """So that a lost answer can be found again; nothing of the second stays."""
    run = cut.wages(TUESDAY, (ANN, 10))
    before = cut.bank.rows()

    with _refused("duplicate-file") as found:
        cut.wages(TUESDAY, (ANN, 10))

    assert found.value.details["run"] == run
    assert cut.bank.rows() == before


def test_r_4_completed_runs_count_too_and_cancelled_ones_do_not(cut: Cut) -> None:
    """After a cancellation the same file may come again."""
    cut.bank.account(ANN)
    run = cut.wages(TUESDAY, (ANN, 10))
    assert cut.cancel(run) == "cancelled"
    again = cut.wages(TUESDAY, (ANN, 10))
    cut.open(TUESDAY)
    cut.run(again)

    with _refused("duplicate-file") as found:
        cut.wages(WEDNESDAY, (ANN, 10), digest=digest_of("test-wages", TUESDAY, [(ANN, 10)]))
    assert found.value.details["run"] == again


def test_r_4_alike_but_not_the_same_is_a_warning(cut: Cut) -> None:
    """Same originator, date and total with other content is loaded, and said."""
    first = centercut.load(cut.store, Wages([(ANN, 10)], due=TUESDAY), NOWHERE, now=NOW)
    second = centercut.load(cut.store, Wages([(BOB, 10)], due=TUESDAY), NOWHERE, now=NOW)
    other = centercut.load(cut.store, Wages([(BOB, 10)], due=WEDNESDAY), NOWHERE, now=NOW)

    assert first.warnings == other.warnings == []
    assert len(second.warnings) == 1 and f"run {first.runs[0].run} " in second.warnings[0]


def test_r_4_two_loads_of_one_file_at_once_register_one_run(postgres: Cut) -> None:
    """The second waits for the first, then finds it; whole files, on connections of their own."""
    database = postgres.bank.database  # type: ignore[union-attr]
    together = threading.Barrier(4)

    def load() -> int | str:
        business = Wages([(number(index), 10) for index in range(1, 2_001)], due=TUESDAY, meanwhile=together.wait)
        with database.connect(autocommit=True) as connection:
            try:
                return centercut.load(PostgresStore(connection), business, NOWHERE, now=NOW).runs[0].run
            except Refused as refused:
                return f"{refused.code} {refused.details['run']}"

    with ThreadPoolExecutor(4) as threads:
        futures: list[Future[int | str]] = [threads.submit(load) for _ in range(4)]
        answers = [future.result(120) for future in futures]

    [run] = [answer for answer in answers if isinstance(answer, int)]
    assert [answer for answer in answers if answer != run] == [f"duplicate-file {run}"] * 3
    rows = postgres.bank.rows()
    assert (rows["centercut.run"], rows["ledger.run"], rows["ledger.item_202608"]) == (1, 1, 2_000)
    assert len(postgres.bank.entries(EMPLOYER)) == 2


class _Groups(Business):
    """Several runs of one source, in a given order."""

    name = "test-groups"
    priority = 40

    def __init__(self, digests: list[str], payers: list[int], together: threading.Barrier) -> None:
        self.digests = digests
        self.payers = payers
        self.together = together

    def load(self, source: Path, loading: Loading) -> None:
        for digest, payer in zip(self.digests, self.payers, strict=True):
            run = loading.begin(due=TUESDAY, reference=digest)
            run.add(columns([(ANN, 10)], CREDIT))
            run.end(digest=digest, fund_from=payer)
        self.together.wait(60)

    def close(self, run: RunRow, totals: Totals) -> list[Payment]:
        return []


def test_loads_of_the_same_groups_in_another_order_do_not_deadlock(postgres: Cut) -> None:
    """Contents and funding accounts are locked in an order of their own, not in the file's (O-10)."""
    database = postgres.bank.database  # type: ignore[union-attr]
    payers = [postgres.bank.account(number(index), 1_000) for index in (10, 11, 12, 13)]
    for attempt in range(5):
        together = threading.Barrier(2)
        names = [f"{attempt} {letter}" for letter in "abcd"]

        def load(backwards: bool, names: list[str] = names, together: threading.Barrier = together) -> object:
            order = -1 if backwards else 1
            business = _Groups(names[::order], payers[::order], together)
            with database.connect(autocommit=True) as connection:
                try:
                    return len(centercut.load(PostgresStore(connection), business, NOWHERE, now=NOW).runs)
                except Refused as refused:
                    return refused.code

        with ThreadPoolExecutor(2) as threads:
            answers = list(threads.map(load, [False, True]))
        assert sorted(map(str, answers)) == ["4", "duplicate-file"]


def test_a_refused_load_leaves_no_trace(cut: Cut) -> None:
    """Short of funds, too late, a business that fails half way, item numbers that do not ascend: no table has a row
    more, in either room.
    """
    cut.bank.account(ANN)
    before = cut.bank.rows()
    balance = cut.stored_balance(EMPLOYER)

    with _refused("insufficient-funds"):
        cut.wages(TUESDAY, (ANN, 2_000_000_000))
    with _refused("date-already-open"):
        cut.wages(MONDAY, (ANN, 1))
    with _refused("bad-file"):
        cut.wages(TUESDAY, (ANN, 1), meanwhile=_fail)
    with pytest.raises(ValueError, match="ascend"):
        cut.wages(TUESDAY, (ANN, 1), (BOB, 2), numbers=[1, 1])
    with pytest.raises(ValueError, match="ascend"):
        cut.wages(TUESDAY, (ANN, 1), (BOB, 2), numbers=[2, 1])
    with pytest.raises(ValueError, match="ascend"):
        cut.wages(TUESDAY, (ANN, 1), numbers=[0])

    assert cut.bank.rows() == before
    assert cut.stored_balance(EMPLOYER) == balance


def _fail() -> None:
    raise Refused("bad-file", "record 7 is not a record")


def test_nothing_is_loaded_before_the_first_date(cut: Cut) -> None:
    """A new ledger has no date to resolve a file's date with."""
    if isinstance(cut.bank, PostgresBank):
        cut.bank.owner.execute("UPDATE ledger.day SET business_date = NULL")
    else:
        cut.bank.tables.business_date[""] = None

    with _refused("day-not-open"):
        cut.wages(TUESDAY, (ANN, 1))


def test_o_3_a_pre_business_run_for_an_open_date_is_refused(cut: Cut) -> None:
    """Also for one passed over; the refusal says that in-business would do."""
    with _refused("date-already-open") as found:
        cut.wages(MONDAY, (ANN, 1))
    assert "in-business" in found.value.message
    with _refused("date-already-open"):
        cut.wages(date(2026, 8, 23), (ANN, 1))


def test_o_3_the_date_is_checked_again_when_it_switches_during_the_load(postgres: Cut) -> None:
    """The items are copied, then Tuesday opens, then the load would commit: it is refused and leaves nothing."""
    before = postgres.bank.rows()

    with _refused("date-already-open"):
        postgres.wages(TUESDAY, (ANN, 1), meanwhile=lambda: postgres.open(TUESDAY))

    assert postgres.bank.rows() == before


def test_o_3_the_date_cannot_switch_between_that_check_and_the_commit(
    postgres: Cut, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The load has the shared day lock by then: `day open` waits for its commit, and the items are there when it is
    done.
    """
    database = postgres.bank.database  # type: ignore[union-attr]
    owner = postgres.bank.owner  # type: ignore[union-attr]
    post_in = centercut.load.__globals__["post_in"]
    opened: list[Future[object]] = []

    with ThreadPoolExecutor(1) as threads:

        def fund(*arguments: object) -> object:
            opened.append(threads.submit(ledger.open_day, database, TUESDAY))
            wait_until(lambda: waiting_sessions(owner), "day open waits for the load")
            return post_in(*arguments)

        monkeypatch.setitem(centercut.load.__globals__, "post_in", fund)
        run = postgres.wages(TUESDAY, (ANN, 1))
        opened[0].result(60)

    assert postgres.state(run) == "ready"


def test_funding_stands_behind_what_is_due_on_the_employers_account(cut: Cut) -> None:
    """More than a commit may settle: settled in commits of their own, then the file is loaded (O-8)."""
    cut.bank.account(ANN)
    dues = cut.bills(TUESDAY, *((EMPLOYER, 1) for _ in range(30)))
    cut.open(TUESDAY)
    monkey = pytest.MonkeyPatch()
    post_in = centercut.load.__globals__["post_in"]
    with monkey.context() as patched:
        patched.setitem(centercut.load.__globals__, "post_in", lambda unit, asked: post_in(unit, asked, items_max=7))
        run = cut.wages(WEDNESDAY, (ANN, 10))

    assert len(cut.reasons(dues)) == 30
    assert [entry.run for entry in cut.bank.entries(EMPLOYER)][1:] == [dues] * 30 + [run]


def test_slices_are_bounded_by_items_and_never_split_an_account(cut: Cut) -> None:
    """O-8: about `slice_items` each; an account with more is a slice of its own size; together they are all items."""
    rows = [(number(index), 1) for index in range(1, 21) for _ in range(3)] + [(number(30), 1)] * 50
    run = cut.bills(TUESDAY, *rows, slice_items=10)
    slices = _slices(cut, run)

    assert sum(items for _, _, items in slices) == 110
    assert all(items <= 12 for first, last, items in slices if (first, last) != (number(30), number(30)))
    assert all(first <= last for first, last, _ in slices)
    assert all(one[1] < other[0] for one, other in pairwise(slices))


def _slices(cut: Cut, run: int) -> list[tuple[int, int, int]]:
    if isinstance(cut.bank, PostgresBank):
        found = cut.bank.owner.execute(
            "SELECT first_account, last_account, items FROM centercut.slice WHERE run = %s ORDER BY slice", (run,)
        )
        return [tuple(row) for row in found.fetchall()]
    slices = cut.bank.tables.more["slice"]
    return [(row.first_account, row.last_account, row.items) for (of, _), row in sorted(slices.items()) if of == run]


ROWS = [(number(index), 10 + index) for index in range(1, 8)]
CUSTOMERS = {
    "none": None,
    "one width": np.array([b"0000000%d" % index for index in range(1, 8)]),
    "padded": np.array([b"1", b"22", b"333", b"4 4", b"5   ", b"", b"7777777"]),
    "kana": np.array(["ｱ1".encode("cp932"), b"2", b"3", b"4", b"5", b"6", "ﾔﾏﾀﾞ".encode("cp932")]),
    "text": ["1", "22", "", "ｱｲｳ", "勘定", "6 6", "7" * 60],
}


@pytest.mark.parametrize("customers", CUSTOMERS)
def test_binary_rows_are_what_postgres_reads_and_what_memory_holds(postgres: Cut, customers: str) -> None:
    """`copy_rows` against PostgreSQL itself: customers of any width, item numbers and amounts up to their limits."""
    given = CUSTOMERS[customers]
    numbers = [1, 2, 3, 99, 100_000, 2**30, 2**31 - 1]
    rows = [*ROWS[:6], (99_999_999_999, 10**15)]
    found = []
    for cut in (postgres, memory_cut()):
        run = cut.load(_Raw(rows, numbers, given))
        found.append((run, cut))

    stored = (
        postgres.bank.owner.execute(  # type: ignore[union-attr]
            "SELECT account, run, item, kind, amount, customer FROM ledger.item WHERE run = %s ORDER BY item",
            (found[0][0],),
        )
    ).fetchall()
    held = sorted(
        found[1][1].bank.tables.items.values(),  # type: ignore[union-attr]
        key=lambda item: item.item,
    )

    words = [None] * 7 if given is None else [_word(value) for value in given]
    expected = [
        (account, one, DEBIT, yen, word) for (account, yen), one, word in zip(rows, numbers, words, strict=True)
    ]
    assert [(account, item, kind, yen, word) for account, _, item, kind, yen, word in stored] == expected
    assert [Item(*row)[:1] + Item(*row)[2:] for row in stored] == [item[:1] + item[2:] for item in held]


def _word(value: object) -> str:
    return value.decode("cp932").rstrip(" \0") if isinstance(value, bytes) else str(value)


class _Raw(Bills):
    """Hands its customers over as they are."""

    def __init__(self, rows: object, numbers: object, given: object) -> None:
        super().__init__(rows, due=TUESDAY, numbers=numbers)  # type: ignore[arg-type]
        self.given = given

    def load(self, source: Path, loading: Loading) -> None:
        run = loading.begin(due=TUESDAY)
        plain = columns(self.rows, DEBIT, None, self.numbers)
        run.add(
            Items(
                item=plain.item,
                account=plain.account,
                amount_yen=plain.amount_yen,
                kind=DEBIT,
                customer=self.given,  # type: ignore[arg-type]
            )
        )
        run.end(digest=self.digest)


def test_items_may_come_in_several_chunks(cut: Cut) -> None:
    """Numbers go on over the chunks; an empty chunk is nothing."""
    cut.bank.account(ANN)

    class Chunks(Wages):
        def load(self, source: Path, loading: Loading) -> None:
            run = loading.begin(due=TUESDAY, account=EMPLOYER)
            for start in (1, 4):
                run.add(columns([(ANN, 1)] * 3, CREDIT, None, range(start, start + 3)))
                run.add(columns([], CREDIT))
            run.end(digest="chunks", fund_from=EMPLOYER)

    run = cut.load(Chunks())
    cut.open(TUESDAY)
    cut.run(run)

    assert cut.balance(ANN) == 6
    assert list(cut.reasons(run)) == [1, 2, 3, 4, 5, 6]


def test_progress_is_told_while_loading(cut: Cut) -> None:
    """A bar can be drawn from it."""
    told: list[int] = []

    cut.load(Wages([(ANN, 1), (BOB, 1)], due=TUESDAY), progress=told.append)

    assert sum(told) == 2


def test_a_mandate_that_is_asked_for_decides_the_debit(cut: Cut) -> None:
    """The customer of an item is asked of its originator's list, as the list stands on the due date (A.6)."""
    for account in (ANN, BOB, CAM):
        cut.bank.account(account, 100)
    cut.bank.mandates("0000000007", MONDAY, [(ANN, "1", MONDAY, False), (BOB, "2", MONDAY, True)])
    run = cut.bills(TUESDAY, (ANN, 10), (BOB, 10), (CAM, 10), customers=["1", "2", "3"], originator="0000000007")
    cut.open(TUESDAY)

    cut.run(run)

    words = [reason.word for reason in cut.reasons(run).values()]
    assert words == ["accepted", "mandate-stopped", "no-mandate"]
