"""Sessions whose COMMIT waits for the other site, and what can befall them."""

from __future__ import annotations

from typing import Literal

from runbook import Runbook
from waiting import wait_until

Blow = Literal["cancelled", "killed"]
BLOWS: dict[Blow, str] = {
    "cancelled": "SELECT pg_cancel_backend(pid) FROM pg_stat_activity",
    "killed": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity",
}
OF_THOSE_WHO_WAIT = " WHERE wait_event = 'SyncRep' AND application_name = %s"
WAITING_S = """
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - query_start)), 0)::float8 FROM pg_stat_activity
WHERE wait_event {} AND application_name = 'kanjo service'
"""


def waiting(runbook: Runbook, application: str) -> int:
    """How many of that name have sent a COMMIT whose answer the primary holds back."""
    return len(_asked(runbook, "SELECT pid FROM pg_stat_activity" + OF_THOSE_WHO_WAIT, application))


def break_off(runbook: Runbook, blow: Blow, application: str) -> None:
    """As soon as one of that name waits, break off the waits of all."""
    wait_until(lambda: _asked(runbook, BLOWS[blow] + OF_THOSE_WHO_WAIT, application), f"{application} waits")


def waited_s(runbook: Runbook) -> float:
    """For how long a session of the customers' door waits for the other site."""
    return float(_asked(runbook, WAITING_S.format("= 'SyncRep'"))[0][0])


def held_s(runbook: Runbook) -> float:
    """For how long one waits for a lock."""
    return float(_asked(runbook, WAITING_S.format("IN ('tuple', 'transactionid')"))[0][0])


def of_the_bank(runbook: Runbook) -> int:
    """How many sessions doors and workers have, and have left behind."""
    return int(_asked(runbook, "SELECT count(*) FROM pg_stat_activity WHERE usename = 'kanjo'")[0][0])


def _asked(runbook: Runbook, query: str, *values: str) -> list[tuple[float, ...]]:
    leader = runbook.desk.leader(runbook.desk.topology.site(runbook.serves()[0]))
    assert leader is not None
    with runbook.desk.database(leader) as connection:
        return connection.execute(query, values).fetchall()
