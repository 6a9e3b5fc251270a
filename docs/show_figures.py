"""Write the tables of figures from what `kanjo bench all --out docs/figures/bench.json` and `kanjo bench sites --out
docs/figures/sites.json` kept: `python docs/show_figures.py`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
PAGES = {
    DOCS / "figures" / "bench.json": DOCS / "how-to" / "bench.md",
    DOCS / "figures" / "sites.json": DOCS / "explanation" / "two-sites.md",
}
TABLE = re.compile(r"(?<=<!-- figures -->\n).*(?=<!-- end of figures -->)", re.DOTALL)


def shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}"


def row(figure: dict[str, Any]) -> str:
    higher = figure["better"] == "higher"
    missed = figure["ratio"] < figure["must"] if higher else figure["ratio"] > figure["must"]
    rounds = ", ".join(f"{one['value'] / one['yardstick']:.2f}" for one in figure["measured"])
    cells = [
        f"`{figure['bench']}`",
        f"{shown(figure['value'])} {figure['unit']}",
        shown(figure["yardstick"]),
        f"**{figure['ratio']:.2f}**{' (missed)' if missed else ''}",
        rounds,
        f"{'≥' if higher else '≤'} {figure['must']:g}",
        f"{figure['aim']:g}",
    ]
    return f"| {' | '.join(cells)} |"


def table(kept: dict[str, Any]) -> str:
    machine = kept["machine"]
    return "\n".join(
        [
            f"{machine['cores']} cores ({machine['processor']}), {machine['memory_gb']:.0f} GB, Python "
            f"{machine['python']}, PostgreSQL {machine['postgresql']}:",
            "",
            "| Bench | Median | Yardstick | Ratio | Rounds | Must | Aim |",
            "|---|---|---|---|---|---|---|",
            *map(row, kept["benches"]),
            "",
        ]
    )


def page(text: str, kept: dict[str, Any]) -> str:
    """The page with the table in its place."""
    return TABLE.sub(lambda _: table(kept), text)


if __name__ == "__main__":
    for figures, path in PAGES.items():
        path.write_text(page(path.read_text("utf-8"), json.loads(figures.read_text("utf-8"))), "utf-8")
