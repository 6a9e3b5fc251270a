"""A points campaign (ポイント還元): each line of a CSV file, `account,amount`, is credited on one date.

The campaign's own account pays for all of them when the file is loaded, and gets back what could not be credited.
"""

from __future__ import annotations

import csv
from hashlib import sha256
from pathlib import Path

import numpy as np

from kanjo.centercut import Business, Items, Loading, Payment, RunRow, Totals
from kanjo.errors import Refused
from kanjo.ledger import AMOUNT_MAX_YEN, ItemKind, parse_account

CAMPAIGN = parse_account("001-2-8000001")


class Points(Business):
    """One run per file; needs `--date`, since the file has none."""

    name = "points"
    priority = 55

    def load(self, source: Path, loading: Loading) -> None:
        """Take the whole file or nothing: whatever is raised here leaves no trace."""
        if loading.asked_due is None:
            raise Refused("date-missing", "a points file has no date of its own: say --date")
        content = source.read_bytes()
        lines = list(csv.reader(content.decode("utf-8").splitlines()))
        accounts, amounts_yen = [], []
        for number, line in enumerate(lines, 1):
            try:
                account, amount_yen = parse_account(line[0]), int(line[1])
            except (IndexError, ValueError):
                raise Refused("bad-file", f"line {number}: expected account,amount", line=number) from None
            if not 0 < amount_yen <= AMOUNT_MAX_YEN:
                raise Refused("bad-file", f"line {number}: an amount is above zero", line=number)
            accounts.append(account)
            amounts_yen.append(amount_yen)
        run = loading.begin(due=loading.asked_due, account=CAMPAIGN)
        run.add(
            Items(
                item=np.arange(1, len(lines) + 1, dtype=np.int32),
                account=np.array(accounts, dtype=np.int64),
                amount_yen=np.array(amounts_yen, dtype=np.int64),
                kind=int(ItemKind.CREDIT),
            )
        )
        digest = sha256(content + loading.asked_due.isoformat().encode()).hexdigest()
        run.end(digest=digest, fund_from=CAMPAIGN)

    def close(self, run: RunRow, totals: Totals) -> list[Payment]:
        """Every item has its outcome: what was funded and not credited goes back, so that nothing is left over."""
        return [Payment(CAMPAIGN, run.funded_yen - totals.credited_yen, "returned")]
