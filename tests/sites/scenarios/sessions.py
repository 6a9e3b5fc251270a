"""Sessions whose COMMIT waits for the other site, and what can befall them."""

from __future__ import annotations

from typing import Literal

from runbook import Runbook
from waiting import wait_until

Blow = Literal["cancelled", "killed"]
BLOWS: dict[Blow, str] = {
    "cancelled": "SELECT pg_cancel_backend(%s)",
    "killed": "SELECT pg_terminate_backend(%s)",
}
WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = %s"
BANK = "kanjo service"
"""Doors and workers, unless they give themselves a name."""


def waiting(runbook: Runbook, application: str = BANK) -> list[int]:
    """Those that have sent a COMMIT, and whose answer the primary holds back."""
    leader = runbook.desk.leader(runbook.desk.topology.site(runbook.serves()[0]))
    assert leader is not None
    with runbook.desk.database(leader) as connection:
        return [pid for (pid,) in connection.execute(WAITING, (application,))]


def break_off(runbook: Runbook, blow: Blow, count: int, application: str = BANK) -> None:
    """Wait until so many wait, then break off the waits of all."""
    wait_until(lambda: len(waiting(runbook, application)) >= count, f"{count} of {application} wait")
    leader = runbook.desk.leader(runbook.desk.topology.site(runbook.serves()[0]))
    assert leader is not None
    with runbook.desk.database(leader) as connection:
        for pid in waiting(runbook, application):
            connection.execute(BLOWS[blow], (pid,))
