"""The example of docs/how-to/new-business.md, from the folder that the reader gets it from."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from office import CLOCK, NOW, TUESDAY, Office

from kanjo import centercut, ledger
from kanjo.errors import KanjoError, Refused, WrongUsage
from kanjo.ledger import parse_account

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "points_business.py"
CAMPAIGN = parse_account("001-2-8000001")
ONE, TWO, FROZEN = (parse_account(f"001-1-000000{index}") for index in (1, 2, 3))
POINTS = "001-1-0000001,150\n001-1-0000002,30\n001-1-0000003,500\n001-1-0000009,20\n001-1-0000001,1\n"


def points(office: Office, text: str = POINTS) -> Path:
    """A file of points, and the accounts in it; 001-1-0000009 is unknown."""
    office.accounts((CAMPAIGN, 5_000), (ONE, 0), (TWO, 0), (FROZEN, 0, "frozen"))
    path = office.folder / "points.csv"
    path.write_text(text, encoding="utf-8")
    return path


def work(office: Office, run: int) -> None:
    """Settle and close as a worker does: the business is found by what the run remembers."""
    centercut.start(office.store, [run])
    flow = centercut.Flow(items_max=ledger.ITEMS_MAX)
    centercut.work(office.store, runs=[run], flow=flow, clock=CLOCK, should_stop=lambda: False)


def test_the_example_loads_settles_and_closes(office: Office) -> None:
    """Points are credited, what could not be credited returns, and the run's suspense is empty."""
    path = points(office)
    business = centercut.business_named(f"{EXAMPLE}:Points")
    [run] = centercut.load(office.store, business, path, now=NOW, due=TUESDAY).runs
    assert office.balance(CAMPAIGN) == 5_000 - 701
    office.open(TUESDAY)
    work(office, run.run)

    assert (office.balance(ONE), office.balance(TWO), office.balance(FROZEN)) == (151, 30, 0)
    assert (office.balance(CAMPAIGN), office.suspense(run.run)) == (5_000 - 181, 0)
    assert office.status(run.run).row.finished == "completed"


def test_the_run_remembers_where_its_business_is(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A place given relative to the working folder is kept whole, for workers that work elsewhere."""
    path = points(office)
    monkeypatch.chdir(EXAMPLE.parent)
    business = centercut.business_named("points_business.py:Points")
    [run] = centercut.load(office.store, business, path, now=NOW, due=TUESDAY).runs
    monkeypatch.chdir("/")

    assert run.business == f"{EXAMPLE}:Points"
    assert centercut.cancel(office.store, run.run, NOW) == "cancelled"
    assert office.balance(CAMPAIGN) == 5_000


def test_a_business_that_has_gone_leaves_its_run_unclosed(office: Office) -> None:
    """All items are settled; put the file back, and the run closes."""
    path = points(office)
    copy = office.folder / "points_business.py"
    shutil.copy(EXAMPLE, copy)
    business = centercut.business_named(f"{copy}:Points")
    [run] = centercut.load(office.store, business, path, now=NOW, due=TUESDAY).runs
    office.open(TUESDAY)
    copy.unlink()
    with pytest.raises(WrongUsage) as caught:
        work(office, run.run)
    left = office.status(run.run)
    shutil.copy(EXAMPLE, copy)
    work(office, run.run)

    assert caught.value.code == "business-unknown"
    assert (left.row.finished, left.totals.settled) == (None, 5)
    assert office.status(run.run).row.finished == "completed"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("001-1-0000001,150\nnobody,1\n", "bad-file"),
        ("001-1-0000001,0\n", "bad-file"),
        ("001-1-0000001\n", "bad-file"),
        ("001-1-0000001,5001\n", "insufficient-funds"),
    ],
)
def test_the_example_refuses_and_leaves_nothing(office: Office, text: str, code: str) -> None:
    """Whole or not at all, for a file of one's own too."""
    path = points(office, text)
    before = (office.rows(), office.balances())
    with pytest.raises(Refused) as caught:
        centercut.load(office.store, centercut.business_named(f"{EXAMPLE}:Points"), path, now=NOW, due=TUESDAY)

    assert caught.value.code == code
    assert before == (office.rows(), office.balances())


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (None, "Points"),
        ("import nothing_of_that_name", "Points"),
        ("class Points: pass", "Points"),
        ("from kanjo.centercut import Business\nclass Points(Business):\n    priority = 1", "Points"),
        ("from points_business_base import *", "Points"),
    ],
)
def test_a_file_that_holds_no_business_is_wrong_usage(tmp_path: Path, content: str | None, named: str) -> None:
    """The reader is told what is wrong with the file, without a stack trace."""
    path = tmp_path / "mine.py"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(KanjoError) as caught:
        centercut.business_named(f"{path}:{named}")

    assert caught.value.code == "business-unknown"
    assert str(path) in caught.value.message


def test_a_business_without_priority_is_wrong_usage(tmp_path: Path) -> None:
    """Its runs would have no place in the order of their date (O-1)."""
    path = tmp_path / "mine.py"
    path.write_text(EXAMPLE.read_text("utf-8").replace("    priority = 55\n", ""), encoding="utf-8")
    with pytest.raises(WrongUsage, match="priority"):
        centercut.business_named(f"{path}:Points")


def test_the_how_to_names_what_there_is() -> None:
    """Links and names of the page lead somewhere."""
    page = (EXAMPLE.parents[1] / "how-to" / "new-business.md").read_text("utf-8")

    assert "../examples/points_business.py" in page
    assert "../../tests/transfers/test_example_business.py" in page
    assert "points_business.py:Points" in page
