"""Giving the ledger one instruction under a key, and showing its outcome: deposits, holds and accounts alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from kanjo.cli.opened import opened_database
from kanjo.cli.reply import Facts, Reply, Table
from kanjo.errors import SystemFailed

if TYPE_CHECKING:
    from kanjo.ledger import Answer, Asked, Outcome

CLIENT = "cli"
"""Keys are unique per client (C-2); this is the one of the command line."""


def post_one(key: UUID | None, instruction: Callable[[str, UUID], Asked]) -> Reply:
    """Post what `instruction(client, key)` makes; a refusal is a reply with exit status 1.

    Errors: `outcome-unknown` with the key to repeat; `not-decided` when the program failed on it alone (O-9).
    """
    from kanjo import ledger

    used = key or ledger.new_key(datetime.now(UTC))

    def attempt() -> Sequence[Answer | None]:
        with opened_database() as database, closing(ledger.store_of(database)) as store:
            return ledger.post(store, [instruction(CLIENT, used)])

    try:
        [answer] = ledger.until_known(attempt)
    except ledger.OutcomeUnknown as error:
        raise SystemFailed(
            "outcome-unknown",
            "The database's connection was lost while it was committing, or another site did not confirm it in time: "
            f"it was decided or not. Repeat the command with --key {used}: it is done once, and you are told the one "
            "outcome.",
            key=used,
        ) from error
    if isinstance(answer, ledger.NotDecided):
        raise SystemFailed(
            "not-decided",
            f"The program failed on this instruction alone ({answer.message}); nothing was stored and the key "
            f"{used} is free.",
            key=used,
        )
    assert isinstance(answer, ledger.Outcome)
    return reply_of(answer)


def reply_of(outcome: Outcome) -> Reply:
    """The outcome as design 9 names it."""
    from kanjo.ledger import show_account

    content: dict[str, Any] = {
        "key": outcome.key,
        "outcome": "accepted" if outcome.accepted else "refused",
        "reason": None if outcome.accepted else outcome.reason.word,
        "replayed": outcome.replayed,
        "business_date": outcome.business_date,
        "entries": [
            {
                "account": show_account(entry.account),
                "sequence": entry.sequence,
                "amount_yen": entry.amount_yen,
                "balance_yen": entry.balance_yen,
            }
            for entry in outcome.entries
        ],
    }
    facts = {name: value for name, value in content.items() if name != "entries" and value not in (None, False)}
    if outcome.replayed:
        facts["replayed"] = (
            "yes: its commit was in doubt, and the outcome was found under this key"
            if outcome.resolved
            else "yes: it was decided before, under this key"
        )
    parts: list[Facts | Table] = [Facts({name.replace("_", " "): value for name, value in facts.items()})]
    if content["entries"]:
        rows = [
            [entry["account"], str(entry["sequence"]), entry["amount_yen"], entry["balance_yen"]]
            for entry in content["entries"]
        ]
        parts.append(Table(["account", "sequence", "amount (yen)", "balance (yen)"], rows))
    return Reply(content, parts, exit_status=0 if outcome.accepted else 1)
