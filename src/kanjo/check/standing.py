"""Whether decisions stand where they say and can stand in one row: on true balances, behind the items due, never on an
older state than what was answered before they were asked (O-1, O-2).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np

from kanjo.check.calls import Call
from kanjo.check.decisions import Decisions, words
from kanjo.check.findings import Finding, HistoryCheck
from kanjo.check.order import Ints, Knot, knots
from kanjo.check.proof import CheckProof, Violation
from kanjo.check.stored import Stored
from kanjo.ledger import show_account

Bools: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]
Place: TypeAlias = Callable[[Call], Violation]

DECIDED_ON = HistoryCheck(
    "decided_on", "The number and balance an answer shows are those of that entry, dated between its neighbours."
)
APART = HistoryCheck(
    "apart", "No decision stands between the entries of another, and no two wrote an account's same number."
)
BEHIND_ITEMS = HistoryCheck(
    "behind_items", "Every answer, an enquiry's too, stands behind all pre-business items due by its date."
)
NEVER_OLDER = HistoryCheck(
    "never_older", "What was asked after an answer came stands on no older state of its accounts than that one left."
)
DATES_FORWARD = HistoryCheck("dates_forward", "What was asked after an answer came bears no earlier business date.")
ONE_ORDER = HistoryCheck(
    "one_order", "One order of all decisions agrees with every account's numbers, the dates and the clocks."
)
STANDING = (DECIDED_ON, APART, BEHIND_ITEMS, NEVER_OLDER, DATES_FORWARD, ONE_ORDER)


def judge_standing(decisions: Decisions, stored: Stored, place: Place) -> tuple[CheckProof, ...]:
    """These checks in their order. `place` says where a call stands in its history."""
    return _Standing(decisions, stored, place).proofs()


class _Standing:
    def __init__(self, decisions: Decisions, stored: Stored, place: Place) -> None:
        self._decisions = decisions
        self._stored = stored
        self._place = place
        self._dates = decisions.dates()
        self._lows = decisions.lows()
        self._highs = decisions.highs()
        self._touches = decisions.touches()

    def proofs(self) -> tuple[CheckProof, ...]:
        judged = (
            self._decided_on(),
            self._apart(),
            self._behind_items(),
            self._never_older(),
            self._dates_forward(),
            self._order(),
        )
        return tuple(finding.proof() for finding in judged)

    def _decided_on(self) -> Finding:
        finding = Finding(DECIDED_ON)
        touches = self._touches[self._touches[:, 5] == 1]
        entries = self._stored.entries
        finding.checked = len(touches)
        dated = self._dates[touches[:, 0]]
        here = _find(entries, touches[:, 1], touches[:, 2])
        behind = _find(entries, touches[:, 1], touches[:, 2] + 1)
        none = here < 0
        balance = np.where(none, 0, _at(entries, here, 2))
        broken = touches[:, 3] != balance
        broken |= none & (touches[:, 2] != 0)
        broken |= ~none & (_at(entries, here, 3) > dated)
        broken |= (behind >= 0) & (_at(entries, behind, 3) < dated)
        for row in np.flatnonzero(broken).tolist():
            decision, account, sequence, told = touches[row, :4].tolist()
            said = {"decided_on": sequence, "balance": told, "balance_of_entry": int(balance[row])}
            if none[row] and sequence:
                said["balance_of_entry"] = None
            self._add(finding, decision, {"account": show_account(account), "date": _date(int(dated[row]))} | said)
        return finding

    def _apart(self) -> Finding:
        finding = Finding(APART)
        finding.checked = len(self._touches)
        touches = self._touches[np.lexsort((self._touches[:, 4], self._touches[:, 2], self._touches[:, 1]))]
        if len(touches) < 2:
            return finding
        account = np.unique(touches[:, 1], return_inverse=True)[1]
        left, by = _running_maximum(account, touches[:, 4])
        broken = (account[1:] == account[:-1]) & (touches[1:, 2] < left[:-1])
        for row in np.flatnonzero(broken).tolist():
            decision, number, sequence = touches[row + 1, :3].tolist()
            other = touches[by[row]].tolist()
            said = {
                "account": show_account(number),
                "decided_on": sequence,
                "other": words(self._decisions.what[other[0]]),
                "other_decided_on": other[2],
                "other_left": other[4],
            }
            self._add(finding, decision, said)
        return finding

    def _behind_items(self) -> Finding:
        """The running maximum of where items stand, by due date, looked up at each answer's date."""
        finding = Finding(BEHIND_ITEMS)
        touches = self._touches[self._touches[:, 5] == 1]
        finding.checked = len(touches)
        items = self._stored.items
        if not len(items) or not len(touches):
            return finding
        accounts, place = np.unique(np.concatenate((items[:, 0], touches[:, 1])), return_inverse=True)
        assert len(accounts)
        of_items, of_touches = place[: len(items)], place[len(items) :]
        span = int(max(items[:, 1].max(), self._dates.max())) + 1
        stands = np.where(items[:, 2] < 0, np.iinfo(np.int64).max, items[:, 2])
        furthest, furthest_row = _running_maximum(of_items, stands)
        at = np.searchsorted(of_items * span + items[:, 1], of_touches * span + self._dates[touches[:, 0]], "right") - 1
        has = (at >= 0) & (of_items[np.maximum(at, 0)] == of_touches)
        broken = has & (furthest[np.maximum(at, 0)] > touches[:, 2])
        for row in np.flatnonzero(broken).tolist():
            decision, account, sequence = touches[row, :3].tolist()
            _, due, after, run, item = items[furthest_row[at[row]]].tolist()
            said = {
                "account": show_account(account),
                "date": _date(int(self._dates[decision])),
                "decided_on": sequence,
                "run": run,
                "item": item,
                "due": _date(due),
                "must_stand_behind": "not settled" if after < 0 else after,
            }
            self._add(finding, decision, said)
        return finding

    def _never_older(self) -> Finding:
        """Per clock and account: the highest number left by answers that came before it was asked."""
        finding = Finding(NEVER_OLDER)
        touches = self._touches
        by_decision = _Rows(touches[:, 0])
        low, low_touch = by_decision.joined(self._lows[:, 0])
        high, high_touch = by_decision.joined(self._highs[:, 0])
        asked, answered = self._lows[low], self._highs[high]
        finding.checked = len(asked)
        broken, by = _overtaken(
            groups=(
                _pairs(asked[:, 1], touches[low_touch, 1], answered[:, 1], touches[high_touch, 1]),
                len(asked),
            ),
            asked_us=asked[:, 2],
            answered_us=answered[:, 2],
            stood_on=touches[low_touch, 2],
            left=touches[high_touch, 4],
        )
        for row, earlier in zip(np.flatnonzero(broken).tolist(), by[broken].tolist(), strict=True):
            touch, before = touches[low_touch[row]].tolist(), touches[high_touch[earlier]].tolist()
            said = {
                "account": show_account(touch[1]),
                "decided_on": touch[2],
                "asked_us": int(asked[row, 2]),
                "answered_before": words(self._decisions.what[before[0]]),
                "answered_us": int(answered[earlier, 2]),
                "which_left": before[4],
            }
            self._add(finding, touch[0], said)
        return finding

    def _dates_forward(self) -> Finding:
        finding = Finding(DATES_FORWARD)
        asked, answered = self._lows, self._highs
        finding.checked = len(asked)
        broken, by = _overtaken(
            groups=(np.concatenate((asked[:, 1], answered[:, 1])), len(asked)),
            asked_us=asked[:, 2],
            answered_us=answered[:, 2],
            stood_on=self._dates[asked[:, 0]],
            left=self._dates[answered[:, 0]],
        )
        for row, earlier in zip(np.flatnonzero(broken).tolist(), by[broken].tolist(), strict=True):
            decision, before = int(asked[row, 0]), int(answered[earlier, 0])
            said = {
                "date": _date(int(self._dates[decision])),
                "asked_us": int(asked[row, 2]),
                "answered_before": words(self._decisions.what[before]),
                "answered_us": int(answered[earlier, 2]),
                "its_date": _date(int(self._dates[before])),
            }
            self._add(finding, decision, said)
        return finding

    def _order(self) -> Finding:
        finding = Finding(ONE_ORDER)
        finding.checked = len(self._decisions)
        graph = _Graph(self._dates, self._lows, self._highs, self._touches)
        for knot in knots(graph.count, *graph.edges(), len(self._decisions)):
            ring = [node for node in knot.ring if node < len(self._decisions)]
            said = {
                "decisions": sum(node < len(self._decisions) for node in knot.nodes),
                "ring": "; ".join(self._in_words(graph, knot)),
            }
            self._add(finding, ring[0], said)
        return finding

    def _in_words(self, graph: _Graph, knot: Knot) -> list[str]:
        """Why each decision of the ring must come before the next."""
        ring = [*knot.ring, knot.ring[0]]
        found = []
        count = len(self._decisions)
        places = [place for place, node in enumerate(ring) if node < count]
        for first, last in pairwise(places):
            one, other = self._decisions.what[ring[first]], self._decisions.what[ring[last]]
            why = graph.why(ring[first + 1])
            found.append(f"{words(one)} comes before {words(other)}, {why}")
        return found

    def _add(self, finding: Finding, decision: int, said: Violation) -> None:
        if not finding.shows_more:
            finding.add({})
            return
        what = self._decisions.what[decision]
        if isinstance(what, Call):
            finding.add(self._place(what) | said)
        else:
            finding.add({"client": what.client, "key": str(what.key)} | said)


class _Graph:
    """Decisions, and nodes that join many of them at the price of few edges.

    On an account, those that stood on one state come behind whoever wrote it and before whoever wrote the next: a
    junction between each two states. Along a clock, a gate at every moment something was asked: answers go into the
    next gate, requests come out of theirs. Between two dates, a gate too.
    """

    def __init__(self, dates: Ints, lows: Ints, highs: Ints, touches: Ints) -> None:
        self.count = len(dates)
        self._sources: list[Ints] = []
        self._targets: list[Ints] = []
        self._kinds: list[tuple[int, str]] = []
        self._junction_accounts = self._accounts(touches)
        self._clocks(lows, highs)
        self._days(dates)

    def edges(self) -> tuple[Ints, Ints]:
        return np.concatenate(self._sources), np.concatenate(self._targets)

    def why(self, node: int) -> str:
        """What a joining node stands for."""
        first, kind = next((first, kind) for first, kind in reversed(self._kinds) if node >= first)
        if kind == "account":
            return f"by the numbers of account {show_account(int(self._junction_accounts[node - first]))}"
        if kind == "clock":
            return "for it was answered before that one was asked"
        return "for its business date is earlier"

    def _join(self, sources: Ints, targets: Ints) -> None:
        self._sources.append(sources)
        self._targets.append(targets)

    def _begin(self, kind: str, nodes: int) -> int:
        first = self.count
        self._kinds.append((first, kind))
        self.count += nodes
        return first

    def _accounts(self, touches: Ints) -> Ints:
        """On one number, those that read it stand before the one that wrote the next."""
        writes = (touches[:, 4] > touches[:, 2]).astype(np.int64)
        order = np.lexsort((writes, touches[:, 2], touches[:, 1]))
        account, sequence, wrote = touches[order, 1], touches[order, 2], writes[order]
        if not len(order):
            self._begin("account", 0)
            return np.zeros(0, dtype=np.int64)
        new_account = np.concatenate(([True], account[1:] != account[:-1]))
        moved_on = (sequence[1:] != sequence[:-1]) | (wrote[1:] != wrote[:-1])
        new_state = new_account | np.concatenate(([True], moved_on))
        state = np.cumsum(new_state) - 1
        first = self._begin("account", int(state[-1]) + 1)
        decision = touches[order, 0]
        # the junction of a state stands before those who stood on it
        self._join(first + state, decision)
        begins_account = new_account[new_state]
        has_next = np.concatenate((~begins_account[1:], [False]))
        goes_on = has_next[state]
        self._join(decision[goes_on], first + state[goes_on] + 1)
        states: Ints = account[new_state]
        return states

    def _clocks(self, lows: Ints, highs: Ints) -> None:
        order = np.lexsort((lows[:, 2], lows[:, 1]))
        asked = lows[order]
        first = self._begin("clock", len(asked))
        gates = first + np.arange(len(asked))
        same = asked[1:, 1] == asked[:-1, 1]
        self._join(gates[:-1][same], gates[1:][same])
        self._join(gates, asked[:, 0])
        if not len(asked) or not len(highs):
            return
        times = np.unique(np.concatenate((asked[:, 2], highs[:, 2])))
        span = len(times) + 1
        at = asked[:, 1] * span + np.searchsorted(times, asked[:, 2])
        into = np.searchsorted(at, highs[:, 1] * span + np.searchsorted(times, highs[:, 2]), "right")
        has = (into < len(asked)) & (asked[np.minimum(into, len(asked) - 1), 1] == highs[:, 1])
        self._join(highs[has, 0], first + into[has])

    def _days(self, dates: Ints) -> None:
        days, day = np.unique(dates, return_inverse=True)
        first = self._begin("day", max(0, len(days) - 1))
        gates = first + np.arange(max(0, len(days) - 1))
        self._join(gates[:-1], gates[1:])
        decision = np.arange(len(dates))
        leaving, entering = day < len(days) - 1, day > 0
        self._join(decision[leaving], first + day[leaving])
        self._join(first + day[entering] - 1, decision[entering])


class _Rows:
    """Rows by the decision they belong to."""

    def __init__(self, decisions: Ints) -> None:
        self._order = np.argsort(decisions, kind="stable")
        self._sorted = decisions[self._order]

    def joined(self, decisions: Ints) -> tuple[Ints, Ints]:
        """Each of the decisions with each of its rows: places in `decisions`, and the rows."""
        begin = np.searchsorted(self._sorted, decisions, "left")
        counts = np.searchsorted(self._sorted, decisions, "right") - begin
        left = np.repeat(np.arange(len(decisions)), counts)
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return left, self._order[np.repeat(begin, counts) + within]


def _overtaken(
    *, groups: tuple[Ints, int], asked_us: Ints, answered_us: Ints, stood_on: Ints, left: Ints
) -> tuple[Bools, Ints]:
    """Which asked rows stood on less than an answer of their group, which came before they were asked, had left.

    `groups` are those of the asked rows and then of the answered ones, and how many are asked. With each: that answer.
    """
    both, asked_count = groups
    group = np.unique(both, return_inverse=True)[1]
    of_asked, of_answered = group[:asked_count], group[asked_count:]
    if not len(of_asked) or not len(of_answered):
        return np.zeros(len(of_asked), dtype=bool), np.zeros(len(of_asked), dtype=np.int64)
    times = np.unique(np.concatenate((asked_us, answered_us)))
    span = len(times) + 1
    order = np.lexsort((answered_us, of_answered))
    furthest, furthest_row = _running_maximum(of_answered[order], left[order])
    came = of_answered[order] * span + np.searchsorted(times, answered_us[order])
    at = np.searchsorted(came, of_asked * span + np.searchsorted(times, asked_us), "left") - 1
    has = (at >= 0) & (of_answered[order][np.maximum(at, 0)] == of_asked)
    at = np.maximum(at, 0)
    return has & (furthest[at] > stood_on), order[furthest_row[at]]


def _running_maximum(groups: Ints, values: Ints) -> tuple[Ints, Ints]:
    """The greatest value so far within each group, groups ascending, and the row that has it."""
    levels, rank = np.unique(values, return_inverse=True)
    ranked = groups * len(levels) + rank
    best = np.maximum.accumulate(ranked)
    row = np.maximum.accumulate(np.where(ranked == best, np.arange(len(groups)), 0))
    return values[row], row


def _pairs(one_clock: Ints, one_account: Ints, other_clock: Ints, other_account: Ints) -> Ints:
    """A number for each pair of clock and account."""
    accounts = np.unique(np.concatenate((one_account, other_account)), return_inverse=True)[1]
    clocks = np.concatenate((one_clock, other_clock))
    return clocks * (int(accounts.max(initial=0)) + 1) + accounts


def _find(entries: Ints, accounts: Ints, sequences: Ints) -> Ints:
    """The row of each account's entry of that number; -1 when there is none."""
    if not len(entries):
        return np.full(len(accounts), -1)
    known = np.unique(entries[:, 0])
    last = int(entries[:, 1].max())
    index = np.minimum(np.searchsorted(known, accounts), len(known) - 1)
    keys = np.searchsorted(known, entries[:, 0]) * (last + 2) + entries[:, 1]
    wanted = index * (last + 2) + np.minimum(sequences, last + 1)
    row = np.minimum(np.searchsorted(keys, wanted), len(entries) - 1)
    found = (known[index] == accounts) & (keys[row] == wanted)
    return np.where(found, row, -1)


def _at(entries: Ints, rows: Ints, column: int) -> Ints:
    """That column of each row; any value where there is none."""
    if not len(entries):
        return np.zeros(len(rows), dtype=np.int64)
    found: Ints = entries[np.maximum(rows, 0), column]
    return found


def _date(ordinal: int) -> str | None:
    return date.fromordinal(ordinal).isoformat() if ordinal else None
