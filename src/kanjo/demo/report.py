"""The report of the day: one self-contained page with charts, to keep or to send."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

import numpy as np

from kanjo.demo.banking_day import Figures
from kanjo.errors import SystemFailed

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Kanjo: one banking day</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }}
h1 {{ font-size: 1.5rem; }} h2 {{ font-size: 1.1rem; margin-top: 2rem; }}
table {{ border-collapse: collapse; }}
td, th {{ padding: .2rem .8rem; border-bottom: 1px solid #ddd; text-align: left; }}
td.number {{ text-align: right; font-variant-numeric: tabular-nums; }}
.ok {{ color: #176639; }} .broken {{ color: #a11; font-weight: bold; }}
</style>
</head>
<body>
<h1>Kanjo: one banking day</h1>
<p>{summary}</p>
<h2>What the customers waited</h2>
<div id="latency"></div>
<h2>How the items were settled</h2>
<div id="cut"></div>
<h2>Figures</h2>
<table>{figures}</table>
<h2>The proof</h2>
<table><tr><th>Law</th><th>Checked</th><th>Result</th></tr>{laws}</table>
<script>{bundle}</script>
<script>
const options = {{actions: false, renderer: "svg"}};
vegaEmbed("#latency", {latency}, options);
vegaEmbed("#cut", {cut}, options);
</script>
</body>
</html>
"""
_WIDTH = 820


def write_report(figures: Figures, path: Path) -> None:
    """Write the page. Errors: `report-unavailable` when the chart library is not installed."""
    try:
        import altair
        import vl_convert
    except ImportError as error:
        raise SystemFailed(
            "report-unavailable", "charts need the extra `report`: pip install 'kanjo[report]'"
        ) from error
    bundle = vl_convert.javascript_bundle(None)  # type: ignore[arg-type]  # all of it; leaves vegaEmbed in the window
    page = _PAGE.format(
        summary=html.escape(_summary(figures)),
        figures="".join(_row(name, value) for name, value in _facts(figures)),
        laws="".join(_law(law) for law in figures.check.laws),
        bundle=bundle.replace("</script", "<\\/script"),
        latency=json.dumps(_latency_chart(altair, figures).to_dict()),
        cut=json.dumps(_cut_chart(altair, figures).to_dict()),
    )
    path.write_text(page, "utf-8")


def _summary(figures: Figures) -> str:
    share = 100 * figures.settled_by_before / max(1, figures.items)
    verdict = "Laws 1 to 3 hold." if figures.check.ok else "A law is broken."
    return (
        f"{figures.items:,} salaries and direct debits for {figures.accounts:,} people were settled beside "
        f"{figures.online.transactions:,} online transactions; {share:.1f}% of the items by Before, ahead of the cut, "
        f"because their owners came first. {verdict}"
    )


def _facts(figures: Figures) -> list[tuple[str, str]]:
    online, cut = figures.online, figures.cut
    return [
        ("Online transactions", f"{online.transactions:,} ({online.per_s:,.0f}/s), {online.refused:,} refused"),
        ("Online p99 before the date opens", _ms(online.before_p99_ms)),
        ("Online p99 with the date open, items settled by Before", _ms(online.date_open_p99_ms)),
        ("Online p99 while the cut runs", _ms(online.during_p99_ms)),
        ("Online p99 afterwards", _ms(online.after_p99_ms)),
        ("Items accepted / refused", f"{cut.accepted:,} / {cut.refused:,}"),
        ("Items settled by Before", f"{figures.settled_by_before:,}"),
        ("Cut, from start to the last run closed", f"{cut.seconds:,.1f} s, {cut.items_per_s:,.0f} items/s"),
    ]


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f} ms"


def _row(name: str, value: str) -> str:
    return f"<tr><td>{html.escape(name)}</td><td class='number'>{html.escape(value)}</td></tr>"


def _law(law: Any) -> str:
    if law.ok is None:
        result, style = law.not_checked, ""
    else:
        result, style = ("holds", "ok") if law.ok else (f"broken: {law.broken:,} rows", "broken")
    name = html.escape(f"{law.law}. {law.name}")
    return (
        f"<tr><td>{name}</td><td class='number'>{law.checked:,}</td><td class='{style}'>{html.escape(result)}</td></tr>"
    )


def _marks(altair: Any, figures: Figures) -> Any:
    words = {"date open": "date opens", "cut": "cut starts", "after": "cut ends"}
    values = [{"s": round(figures.marks_s[mark], 2), "mark": word} for mark, word in words.items()]
    base = altair.Chart(altair.Data(values=values))
    rule = base.mark_rule(strokeDash=[4, 4], color="#777").encode(x="s:Q")
    text = base.mark_text(align="left", dx=4, y=8, color="#555").encode(x="s:Q", text="mark:N")
    return rule + text


def _latency_chart(altair: Any, figures: Figures) -> Any:
    values = []
    for at_s, waits_us in figures.waits:
        for name, percent in (("p50", 50), ("p99", 99)):
            milliseconds = round(float(np.percentile(waits_us, percent)) / 1000, 3)
            values.append({"s": round(at_s, 2), "ms": milliseconds, "of": name})
    lines = (
        altair.Chart(altair.Data(values=values), width=_WIDTH, height=260)
        .mark_line(interpolate="monotone")
        .encode(
            x=altair.X("s:Q", title="seconds of the day"),
            y=altair.Y("ms:Q", title="wait (ms)", scale=altair.Scale(type="log")),
            color=altair.Color("of:N", title=None),
            tooltip=["s:Q", "ms:Q", "of:N"],
        )
    )
    return lines + _marks(altair, figures)


def _cut_chart(altair: Any, figures: Figures) -> Any:
    values = []
    for point in figures.cut_points:
        by_workers = point.settled - point.settled_by_before
        for name, count in (("by workers", by_workers), ("by Before", point.settled_by_before)):
            values.append({"s": round(point.elapsed_s, 2), "items": count, "of": name})
    areas = (
        altair.Chart(altair.Data(values=values), width=_WIDTH, height=260)
        .mark_area(opacity=0.7)
        .encode(
            x=altair.X("s:Q", title="seconds of the day"),
            y=altair.Y("items:Q", title="items settled", stack=True),
            color=altair.Color("of:N", title=None),
            tooltip=["s:Q", "items:Q", "of:N"],
        )
    )
    return areas + _marks(altair, figures)
