"""The reference page of the calendar tells the truth."""

from __future__ import annotations

import doctest
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "calendar.md"


def test_the_examples_of_the_page_answer_as_printed() -> None:
    """Each example of docs/reference/calendar.md is run and compared."""

    results = doctest.testfile(str(PAGE), module_relative=False, encoding="utf-8")

    assert results.attempted > 10 and results.failed == 0
