"""`kanjo day`: the business date and the trial balance."""

from __future__ import annotations

import msgspec
import typer

from kanjo.cli.arguments import DateArgument, example
from kanjo.cli.opened import opened_database
from kanjo.cli.reply import Facts, Part, Reply, Table

app = typer.Typer(name="day", help="The business date (勘定日): show it, open the next, see that the books balance.")


@app.command(epilog=example("kanjo day show"))
def show() -> Reply:
    """Show the business date; none is open in a new ledger."""
    from kanjo import ledger

    with opened_database() as database, database.connect(autocommit=True) as connection:
        today = ledger.business_date(connection)
    return Reply({"business_date": today}, [Facts({"business date": today or "none is open yet"})])


@app.command("open", epilog=example("kanjo day open 2026-08-25"))
def open_(date: DateArgument) -> Reply:
    """Open a later business date while postings go on; everything due up to it is due from then on.

    The first one of a new ledger sets its date.
    """
    from kanjo import ledger

    with opened_database() as database:
        before = ledger.open_day(database, date)
    facts = {"business date": date} | ({"before it": before} if before else {})
    return Reply({"business_date": date, "previous": before}, [Facts(facts)])


@app.command("trial-balance", epilog=example("kanjo day trial-balance"))
def trial_balance() -> Reply:
    """Print the trial balance (日計表); its total is zero, or law 1 is broken and the exit status is 1."""
    from kanjo import ledger

    with opened_database() as database, database.connect(autocommit=True) as connection:
        balance = ledger.trial_balance(connection)
    lines = [msgspec.to_builtins(line) for line in balance.lines]
    content = {
        "business_date": balance.business_date,
        "total_yen": balance.total_yen,
        "debit_yen": balance.debit_yen,
        "credit_yen": balance.credit_yen,
        "day_debit_yen": balance.day_debit_yen,
        "day_credit_yen": balance.day_credit_yen,
        "lines": lines,
    }
    rows: list[list[object]] = [
        [line.name, line.day_debit_yen, line.day_credit_yen, line.debit_yen, line.credit_yen] for line in balance.lines
    ]
    rows.append(["total", balance.day_debit_yen, balance.day_credit_yen, balance.debit_yen, balance.credit_yen])
    table = Table(["", "day debit", "day credit", "debit (yen)", "credit (yen)"], rows)
    broken = [] if balance.total_yen == 0 else [f"Law 1 is broken: the total is {balance.total_yen:,} yen, not zero."]
    parts: list[Part] = [Facts({"business date": balance.business_date}), table, *broken]
    return Reply(content, parts, exit_status=1 if broken else 0)
