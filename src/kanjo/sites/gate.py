"""The gate before every promotion, Patroni's `pre_promote`: `python -m kanjo.sites.gate PATRONI.YML` (R5, R7).

Exit 0 lets Patroni promote; anything else makes it give the lock back. Asks, decides, fetches, asks again, for up to 12
seconds: at a planned switch-over the other site is still being demoted when we are asked. Every decision is one line.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import msgspec

from kanjo.errors import KanjoError, WrongUsage
from kanjo.sites.catch_up import CatchUpFailed, catch_up
from kanjo.sites.decision import CatchUp, Decision, Facts, Promote, Refuse, decide
from kanjo.sites.facts import gather
from kanjo.sites.identity import Identity
from kanjo.sites.last_word import TIME_IS_OVER, keep
from kanjo.sites.node_file import NodeFile, read_node_file

PATIENCE_S = 12.0
AGAIN_S = 0.3

Log = Callable[..., None]


def may_promote(
    gather_facts: Callable[[], tuple[Facts, dict[str, str]]],
    fetch: Callable[[Identity, float], None],
    log: Log,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Ask and act until there is an answer or the time is over; then it is a refusal."""
    until_s, said = clock() + PATIENCE_S, None
    while True:
        facts, silent = gather_facts()
        decision = decide(facts)
        if decision != said:
            log(decision, facts, silent)
            said = decision
        match decision:
            case Promote():
                return True
            case Refuse(may_change=False):
                return False
            case CatchUp(origin) if clock() < until_s:
                try:
                    fetch(origin, until_s)
                    continue
                except CatchUpFailed as error:
                    log(Refuse(f"not-caught-up {error}", may_change=clock() < until_s), facts, silent)
        if clock() >= until_s:
            log(TIME_IS_OVER, facts, silent)
            return False
        sleep(AGAIN_S)


def log_to(out: TextIO, node: NodeFile) -> Log:
    """One JSON line for each decision, with what it was decided on; the last word is kept for the desk."""

    def log(decision: Decision, facts: Facts, silent: dict[str, str]) -> None:
        line: dict[str, Any] = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "gate": node.name,
            "decision": msgspec.to_builtins(decision),
            "facts": msgspec.to_builtins(facts),
            "silent": silent,
        }
        out.write(msgspec.json.encode(line).decode() + "\n")
        out.flush()
        keep(node.data, decision)

    return log


def main(arguments: list[str]) -> int:
    """0: promote. 1: refused. 2 and 3: the gate itself could not work, which refuses too."""
    try:
        if len(arguments) != 1:
            raise WrongUsage("wrong-usage", "python -m kanjo.sites.gate PATRONI.YML")
        node = read_node_file(Path(arguments[0]))
    except KanjoError as error:
        sys.stderr.write(f"Error: {error.message} ({error.code})\n")
        return error.exit_status

    def fetch(origin: Identity, until_s: float) -> None:
        catch_up(node, origin, until_s)

    return 0 if may_promote(lambda: gather(node), fetch, log_to(sys.stderr, node)) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
