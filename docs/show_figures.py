"""Write the tables of figures, and what the READMEs tell of them, from what `kanjo bench all --out
docs/figures/bench.json` and `kanjo bench sites --out docs/figures/sites.json` kept: `python docs/show_figures.py`.
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
READMES = {
    DOCS.parent / "README.md": """\
- **{online[value]:,.0f} transactions a second** at one door, 64 callers on a million accounts:
  {online[ratio]:.1f} times the best of PostgreSQL's own benchmark, pgbench's TPC-B, on the same server.
- **{centercut[value]:,.0f} items a second** through a centre cut with two workers:
  {centercut[ratio]:.2f} of what a bare `UPDATE` and `INSERT` without any decision do there.
- While a cut runs, 99 of 100 customers wait **{before[value]:.0f} ms** at most; without it {before[yardstick]:.0f} ms.
- **{load[value]:,.0f} records a second** from a payroll's file into the ledger:
  {load[ratio]:.2f} of a `COPY` of the same rows.
""",
    DOCS.parent / "README.ja.md": """\
- 一つの窓口で**毎秒{online[value]:,.0f}取引**(64の呼出し元、100万口座)。
  同じサーバーでの pgbench(TPC-B)の最高値の{online[ratio]:.1f}倍です。
- センタカットは二つのワーカーで**毎秒{centercut[value]:,.0f}件**。
  判定なしの `UPDATE` と `INSERT` だけの場合の{centercut[ratio]:.2f}倍です。
- センタカット中のお客さまの待ち時間は、100人中99人が**{before[value]:.0f}ミリ秒**以下です。
  センタカットなしでは{before[yardstick]:.0f}ミリ秒です。
- 給与振込ファイルから元帳への登録は**毎秒{load[value]:,.0f}件**。同じ行の `COPY` の{load[ratio]:.2f}倍です。
""",
}
"""What they tell of the benches of one server."""
SPEED = re.compile(r"(?<=<!-- speed -->\n).*(?=<!-- end of speed -->)", re.DOTALL)


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


def readme(text: str, told: str, kept: dict[str, Any]) -> str:
    """The README with what it tells in its place."""
    figures = {figure["bench"].replace("-", "_"): figure for figure in kept["benches"]}
    return SPEED.sub(lambda _: told.format(**figures), text)


if __name__ == "__main__":
    one_server = json.loads((DOCS / "figures" / "bench.json").read_text("utf-8"))
    for path, told in READMES.items():
        path.write_text(readme(path.read_text("utf-8"), told, one_server), "utf-8")
    for figures, path in PAGES.items():
        path.write_text(page(path.read_text("utf-8"), json.loads(figures.read_text("utf-8"))), "utf-8")
