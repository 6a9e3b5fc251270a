"""docs/reference/cli.md says what the commands say."""

from __future__ import annotations

import runpy
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_up_to_date() -> None:
    """Run `python docs/generate_cli.py` after a change of a command."""
    page = runpy.run_path(str(DOCS / "generate_cli.py"))["page"]

    assert (DOCS / "reference" / "cli.md").read_text("utf-8") == page()
