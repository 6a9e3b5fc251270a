"""Law 4 from what callers were told: the history and the stored facts must be explained by one order (O-2).

Pure: what was recorded and what is stored are values, so that histories bent by hand can be judged by the million.
Start at `judge`; `standing.py` asks whether all decisions can stand in one row.
"""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import msgspec

from kanjo.check.calls import Call, History, Told
from kanjo.check.decisions import Decisions, kind_word
from kanjo.check.findings import Finding, HistoryCheck
from kanjo.check.lines import NO_ACCOUNT, SURELY_NOTHING, DecidedOn
from kanjo.check.proof import CheckProof, Violation
from kanjo.check.standing import STANDING, judge_standing
from kanjo.check.stored import Key, Stored, StoredRequest
from kanjo.ledger import Enquiry, Post, Reason, show_account

KEPT = HistoryCheck(
    "kept", "Every outcome that a caller was told is stored as it was told: its content, its reason, what it stood on."
)
ENTRIES = HistoryCheck(
    "entries_as_told", "The entries of a key are those that its callers were told, no more and no fewer."
)
ONE_OUTCOME = HistoryCheck(
    "one_outcome", "A key has one outcome, decided in one call; all others were told the same, or that it is taken."
)
ASKED = HistoryCheck(
    "asked", "What is stored for a client whose history is complete was asked by someone who was not told otherwise."
)
HISTORY_CHECKS: tuple[HistoryCheck, ...] = (KEPT, ENTRIES, ONE_OUTCOME, ASKED, *STANDING)
"""In the order in which they are reported."""


def judge(history: History, stored: Stored) -> tuple[CheckProof, ...]:
    """All checks of law 4, a proof for each."""
    return _Judging(history, stored).proofs()


def named_in(history: History) -> tuple[set[str], set[int]]:
    """The clients and accounts that a history speaks of: what must be loaded to judge it."""
    clients = set(history.complete)
    accounts: set[int] = set()
    for call in history.calls:
        if not isinstance(call.asked, Enquiry):
            clients.add(call.asked.client)
        if call.told is not None:
            accounts.update(account for account, _, _ in call.told.touched)
    return clients, accounts


class _Asking(msgspec.Struct, frozen=True, gc=False):
    """A call under a key, with the digest of what it asked.

    `decision` is what it was told, if that is a decision of the ledger (C-2). `may_have_decided`: the key's decision
    may have been made in this very call; `decided`: it says so itself.
    """

    call: Call
    fingerprint: UUID
    decision: Told | None
    may_have_decided: bool
    decided: bool = False


def _asking(call: Call, fingerprint: UUID) -> _Asking:
    told = call.told
    if told is None:
        return _Asking(call, fingerprint, None, call.how not in SURELY_NOTHING)
    if told.reason in NO_ACCOUNT:
        return _Asking(call, fingerprint, None, False)
    return _Asking(call, fingerprint, told, not told.replayed or told.resolved, decided=not told.replayed)


class _Judging:
    def __init__(self, history: History, stored: Stored) -> None:
        self._history = history
        self._stored = stored
        self._requests: dict[Key, StoredRequest] = {(row.client, row.key): row for row in stored.requests}
        self._kept, self._entries = Finding(KEPT), Finding(ENTRIES)
        self._one, self._asked = Finding(ONE_OUTCOME), Finding(ASKED)
        self._decisions = Decisions()

    def proofs(self) -> tuple[CheckProof, ...]:
        keys = self._gather()
        for key, askings in keys.items():
            self._judge_key(key, askings)
        self._judge_stored(keys)
        own = (self._kept, self._entries, self._one, self._asked)
        standing = judge_standing(self._decisions, self._stored, self._place)
        return (*(finding.proof() for finding in own), *standing)

    def _gather(self) -> dict[Key, list[_Asking]]:
        """The calls of each key; answers that are no decision under a key stand for themselves."""
        keys: dict[Key, list[_Asking]] = {}
        for call in self._history.calls:
            if not isinstance(call.asked, Enquiry):
                asking = _asking(call, call.asked.fingerprint())
                keys.setdefault((call.asked.client, call.asked.key), []).append(asking)
                if asking.decision is not None:
                    continue
            if call.told is not None:
                self._decisions.add(
                    call,
                    call.told.business_date,
                    low=(call.clock, call.asked_us),
                    highs=((call.clock, call.ended_us),),
                    touched=call.told.touched,
                    made=[0] * len(call.told.touched),
                    is_told=True,
                )
        return keys

    def _judge_key(self, key: Key, askings: list[_Asking]) -> None:
        stored = self._requests.get(key)
        answered = [asking for asking in askings if asking.decision is not None]
        for asking in answered:
            assert asking.decision is not None
            self._judge_kept(asking, asking.decision, stored)
            self._judge_entries(key, asking, asking.decision)
        if answered or any(asking.call.told is not None for asking in askings):
            self._one.checked += 1
            said = next(_contradictions(askings, answered, is_complete=key[0] in self._history.complete), None)
            if said is not None:
                asking, broken = said
                self._one.add(self._place(asking.call) | {"broken": broken})
        if answered or stored is not None:
            self._decide(key, askings, answered, stored)

    def _judge_kept(self, asking: _Asking, told: Told, stored: StoredRequest | None) -> None:
        self._kept.checked += 1
        broken = _difference(asking, told, stored)
        if broken is not None:
            row = {"broken": broken, "told": _shown(told.reason, told.touched), "stored": None}
            if stored is not None:
                row["stored"] = _shown(stored.reason, stored.touched)
            self._kept.add(self._place(asking.call) | row)

    def _judge_entries(self, key: Key, asking: _Asking, told: Told) -> None:
        self._entries.checked += 1
        entered = self._stored.caused.get(key, [])
        if sorted(told.entries) != sorted(entered) or (told.entries and told.reason != Reason.ACCEPTED):
            self._entries.add(
                self._place(asking.call) | {"told": _entries_shown(told.entries), "stored": _entries_shown(entered)}
            )

    def _decide(self, key: Key, askings: list[_Asking], answered: list[_Asking], stored: StoredRequest | None) -> None:
        """Put the key's decision among all others, with the times between which it was made."""
        highs: dict[int, int] = {}
        for asking in askings:
            told = asking.call.told
            if told is not None and (asking.decision is not None or told.reason == Reason.KEY_REUSED):
                clock = asking.call.clock
                highs[clock] = min(asking.call.ended_us, highs.get(clock, asking.call.ended_us))
        first = next((asking for asking in answered if asking.decided), answered[0] if answered else None)
        low: tuple[int, int] | None = None
        if first is not None and first.decided:
            low = (first.call.clock, first.call.asked_us)
        elif key[0] in self._history.complete:
            low = _earliest(askings)
        if first is None:
            assert stored is not None
            self._decide_stored(stored, low, tuple(highs.items()))
            return
        told = first.decision
        assert told is not None
        made = [sum(entry[0] == account for entry in told.entries) for account, _, _ in told.touched]
        self._decisions.add(
            first.call,
            told.business_date,
            low=low,
            highs=tuple(highs.items()),
            touched=told.touched,
            made=made,
            is_told=True,
        )

    def _decide_stored(
        self, stored: StoredRequest, low: tuple[int, int] | None, highs: tuple[tuple[int, int], ...]
    ) -> None:
        made = [stored.entries_of(account) for account, _, _ in stored.touched]
        self._decisions.add(stored, stored.date, low=low, highs=highs, touched=stored.touched, made=made, is_told=False)

    def _judge_stored(self, keys: dict[Key, list[_Asking]]) -> None:
        """What is stored and nobody asked; and decisions of others, through which order passes between accounts."""
        for key, stored in self._requests.items():
            askings = keys.get(key, [])
            if stored.client in self._history.complete:
                self._asked.checked += 1
                broken = _unasked(stored, askings)
                if broken is not None:
                    self._asked.add(
                        {
                            "client": stored.client,
                            "key": str(stored.key),
                            "broken": broken,
                            "stored": _shown(stored.reason, stored.touched),
                        }
                    )
            if not askings:
                self._decide_stored(stored, None, ())

    def _place(self, call: Call) -> Violation:
        """Where in the histories a call stands, and what it asked."""
        row: Violation = {
            "history": self._history.files[call.file] if self._history.files else "",
            "line": call.line,
            "caller": call.caller,
            "asked": kind_word(call),
        }
        if not isinstance(call.asked, Enquiry):
            row |= {"client": call.asked.client, "key": str(call.asked.key)}
        return row


def _difference(asking: _Asking, told: Told, stored: StoredRequest | None) -> str | None:
    if stored is None:
        return "not stored"
    asked = asking.call.asked
    if stored.fingerprint != asking.fingerprint or stored.kind != asked.kind:  # type: ignore[union-attr]
        return "stored with other content"
    if stored.reason != told.reason:
        return "stored with another outcome"
    if (stored.date, stored.value_date) != (told.business_date, told.value_date):
        return "stored with another date"
    if sorted(stored.touched) != sorted(told.touched):
        return "stored as decided on something else"
    if isinstance(asked, Post):
        moved = tuple((movement.debit, movement.credit, movement.amount_yen) for movement in asked.movements)
        if moved != tuple(zip(stored.debits, stored.credits, stored.amounts, strict=False)):
            return "stored with other movements"
    return None


def _contradictions(
    askings: list[_Asking], answered: list[_Asking], *, is_complete: bool
) -> Iterator[tuple[_Asking, str]]:
    """Who was told something that the others' answers exclude."""
    if answered:
        first = answered[0]
        assert first.decision is not None
        once = _bare(first.decision)
        for asking in answered[1:]:
            assert asking.decision is not None
            if asking.fingerprint != first.fingerprint:
                yield asking, "another content of the key has an outcome too"
            elif _bare(asking.decision) != once:
                yield asking, "another outcome than the key's first"
        deciding = [asking for asking in answered if asking.decided]
        if len(deciding) > 1:
            yield deciding[1], "decided twice: not said to be the answer of an earlier call"
        possible = any(asking.may_have_decided and asking.fingerprint == first.fingerprint for asking in askings)
        if is_complete and not possible:
            yield first, "said to be the answer of an earlier call, and there is none that could have been decided"
    contents = {asking.fingerprint for asking in answered}
    for asking in askings:
        told = asking.call.told
        if told is None or told.reason != Reason.KEY_REUSED:
            continue
        if asking.fingerprint in contents:
            yield asking, "told that the key has other content, but this content has its outcome"
        elif is_complete and not any(other.fingerprint != asking.fingerprint for other in askings):
            yield asking, "told that the key has other content, and nobody asked other content"


def _bare(told: Told) -> Told:
    """What every answer under a key has in common."""
    return msgspec.structs.replace(told, replayed=False, resolved=False)


def _earliest(askings: list[_Asking]) -> tuple[int, int] | None:
    """When the decision can have been made at the earliest, if one clock can tell."""
    deciding = [asking for asking in askings if asking.may_have_decided] or askings
    if len({asking.call.clock for asking in deciding}) > 1:
        return None
    return deciding[0].call.clock, min(asking.call.asked_us for asking in deciding)


def _unasked(stored: StoredRequest, askings: list[_Asking]) -> str | None:
    if not askings:
        return "nobody asked it"
    same = [asking for asking in askings if asking.fingerprint == stored.fingerprint]
    if not same:
        return "nobody asked this content"
    if not any(asking.may_have_decided or asking.decision is not None for asking in same):
        return "whoever asked it was told that nothing was decided"
    return None


def _shown(reason: int, touched: tuple[DecidedOn, ...]) -> str:
    word = Reason(reason).word if reason in Reason.__members__.values() else str(reason)
    stood = "; ".join(f"{show_account(account)} #{sequence} {yen}" for account, sequence, yen in touched)
    return f"{word} on {stood or 'nothing'}"


def _entries_shown(entries: object) -> str:
    assert isinstance(entries, list | tuple)
    return (
        "; ".join(f"{show_account(one)} #{number} {yen:+d} = {after}" for one, number, yen, after in entries) or "none"
    )
