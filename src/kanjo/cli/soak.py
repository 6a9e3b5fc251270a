"""`kanjo soak`: a bank lives on for half an hour beside kills; what grows, and does the money stay right?"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from kanjo.cli.arguments import example
from kanjo.cli.files import writable, written
from kanjo.cli.printing import say
from kanjo.cli.reply import Facts, Part, Reply, Table
from kanjo.errors import WrongUsage

if TYPE_CHECKING:
    from kanjo.soak import Soaked, Trend

app = typer.Typer()
MIB = 1 << 20


@app.command(epilog=example("kanjo soak", "kanjo soak --minutes 5 --accounts 20000 --seed 7"))
def soak(
    minutes: Annotated[float, typer.Option(min=0.1, max=3_000, help="Length of the run.")] = 30.0,
    seed: Annotated[int, typer.Option(help="Who is killed when, and what the companies pay, follow from it.")] = 1,
    accounts: Annotated[int, typer.Option(min=1_000, max=5_000_000, help="People of the town.")] = 100_000,
    day_seconds: Annotated[
        float | None,
        typer.Option(
            min=2, max=3_600, help="Length of a business day, at least; by default 60, or a tenth of a shorter run."
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Worker processes.")] = 2,
    rate: Annotated[float, typer.Option(min=1, max=20_000, help="Transactions that callers try in a second.")] = 300.0,
    out: Annotated[Path, typer.Option(help="Where the figures go, samples included.", dir_okay=False)] = Path(
        "kanjo-soak.json"
    ),
    chart: Annotated[Path, typer.Option(help="Where the chart (SVG) goes.", dir_okay=False)] = Path("kanjo-soak.svg"),
) -> Reply:
    """Live business days on and on, beside kills of workers, callers, loaders and the server, and look for growth.

    It works on a server of its own in a new folder below KANJO_HOME and removes both. Exit status 1 when memory or
    tables grew, or a law was broken.
    """
    from kanjo.soak import SoakPlan, chart_of, live_on, require_charts

    if os.environ.get("KANJO_DATABASE_URL"):
        raise WrongUsage(
            "needs-own-server", "the soak kills its server, so it needs one of its own: unset KANJO_DATABASE_URL"
        )
    writable(out)
    writable(chart)
    require_charts()
    day_s = day_seconds or min(60.0, max(2.0, minutes * 60 / 10))
    plan = SoakPlan(minutes=minutes, seed=seed, accounts=accounts, day_s=day_s, workers=workers, per_s=rate)
    soaked = live_on(Path(os.environ.get("KANJO_HOME") or ".kanjo").expanduser().resolve(), plan, say)
    with written(out) as text:
        text.write(msgspec.json.format(msgspec.json.encode(soaked), indent=1).decode() + "\n")
    with written(chart) as text:
        text.write(chart_of(soaked))
    return _reply(soaked, out, chart)


def _reply(soaked: Soaked, out: Path, chart: Path) -> Reply:
    days = soaked.days
    answered, cut_s = sum(day.answered for day in days), sum(day.cut_s for day in days)
    items = sum(day.items for day in days)
    kills: dict[str, int] = {}
    for strike in soaked.strikes:
        kills[strike.victim] = kills.get(strike.victim, 0) + 1
    content = {
        "ok": soaked.ok,
        "verdict": soaked.verdict(),
        "seconds": soaked.seconds,
        "days": len(days),
        "items": items,
        "answered": answered,
        "repeats": sum(day.repeats for day in days),
        "calls_proved": sum(day.calls for day in days),
        "kills": kills,
        "whole_proofs": sum(day.whole_proof for day in days),
        "trends": msgspec.to_builtins(soaked.trends),
        "broken": msgspec.to_builtins(soaked.broken),
        "out": str(out),
        "chart": str(chart),
    }
    facts = Facts(
        {
            "lived": f"{soaked.seconds / 60:,.1f} minutes, {len(days)} business days, seed {soaked.plan.seed}",
            "items": f"{items:,}, {items / max(cut_s, 0.001):,.0f}/s while a cut ran",
            "online": f"{answered:,} answers, {answered / max(soaked.seconds, 0.001):,.0f}/s, "
            f"{content['repeats']:,} keys asked again",
            "p50 / p99 of the first and of the last day": " and ".join(
                f"{day.p50_ms or 0:,.1f} / {day.p99_ms or 0:,.1f} ms" for day in (days[:1] + days[-1:])
            ),
            "killed": ", ".join(f"{name} {count}" for name, count in sorted(kills.items())) or "nobody",
            "proved": f"law 4 every day, {content['calls_proved']:,} calls; all laws {content['whole_proofs']} times",
        }
    )
    parts: list[Part] = [facts, *_tables(soaked), f"Figures: {out}. Chart: {chart}.", soaked.verdict()]
    return Reply(content, parts, exit_status=0 if soaked.ok else 1)


def _tables(soaked: Soaked) -> list[Part]:
    """What is worth a line: small tables only when they grew."""
    sizes = {f"table {stock.table}": stock.size_bytes for day in soaked.days[-1:] for stock in day.stock}
    shown = [trend for trend in soaked.trends if trend.grew or sizes.get(trend.name, MIB) >= MIB]
    words = {True: "GREW", False: "flat", None: "too short to tell"}
    rows = [
        [trend.name, *(_shown(value, trend.unit) for value in _values(trend)), words[trend.grew]] for trend in shown
    ]
    table = Table(["", "second quarter", "last quarter", "allowed", "highest", ""], rows)
    left = len(soaked.trends) - len(shown)
    return [table, f"{left} tables of less than 1 MiB did not grow beyond it."] if left else [table]


def _values(trend: Trend) -> tuple[float | None, ...]:
    return trend.second_quarter, trend.last_quarter, trend.allowed, trend.highest


def _shown(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    if unit == "bytes":
        return f"{value / MIB:,.1f} MiB"
    return f"{value:,.0f}" if unit != "bytes/row" else f"{value:,.0f} B/row"
