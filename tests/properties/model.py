"""A small bank written from the rules alone (rules.md), with dictionaries and nothing of the program: what the ledger
and the centre cut must answer.

Wishes are plain tuples, see `Wish`; days are numbers. It knows no slices and no commits: what workers did is told to it
account by account, and it says whether that was the next in order.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

Wish: TypeAlias = tuple[Any, ...]
"""("deposit" | "withdraw", key, account, yen), ("transfer", key, from, to, yen), ("hold", key, account, yen, last day
or None), ("capture", key, hold, yen or None), ("release", key, hold), ("reverse", key, original),
("status", key, account, word), ("floor", key, account, yen), ("open", key, account), ("ask", account)."""
Said: TypeAlias = tuple[Any, ...]
"""(reason, replayed, entries) with entries of (account, sequence, signed yen, balance); to "ask": (reason, balance,
held, floor, sequence, status)."""

PRE, EARLY, IN = "pre-business", "early", "in-business"
_WORST_FIRST = ["account-unknown", "account-closed", "account-frozen", "debit-stopped", "insufficient-funds"]


class Model:
    """The bank as the rules have it."""

    def __init__(self, today: int) -> None:
        self.today = today
        self.accounts: dict[int, dict[str, Any]] = {}
        self.holds: dict[int, dict[str, Any]] = {}
        self.runs: dict[int, dict[str, Any]] = {}
        self.decided: dict[int, dict[str, Any]] = {}
        self.entries: dict[int, list[tuple[int, int, int, Any]]] = {}

    def open_account(self, account: int, yen: int = 0, status: str = "open", floor: int = 0) -> None:
        """An account as imported: a balance is its first entry (C-6)."""
        self.accounts[account] = {"balance": 0, "status": status, "floor": floor, "sequence": 0}
        self.entries[account] = []
        if yen:
            self._enter(account, yen, "opening")

    def held(self, account: int) -> int:
        return sum(hold["yen"] for hold in self.holds.values() if hold["account"] == account and hold["open"])

    def _available(self, account: int) -> int:
        found = self.accounts[account]
        return int(found["balance"] - self.held(account) - found["floor"])

    def _enter(self, account: int, signed: int, cause: Any) -> tuple[int, int, int, int]:
        found = self.accounts[account]
        found["balance"] += signed
        found["sequence"] += 1
        self.entries[account].append((found["sequence"], signed, found["balance"], cause))
        return (account, found["sequence"], signed, found["balance"])

    # order

    def _is_due(self, run: dict[str, Any]) -> bool:
        return bool(run["phase"] == PRE and run["due"] <= self.today and not run["cancelled"])

    def is_released(self, run: dict[str, Any]) -> bool:
        """Early and in-business items that workers may settle, and what is left of a cancelled run."""
        if run["finished"]:
            return False
        running = run["started"] and not run["paused"] and run["due"] <= self.today
        return bool(run["cancelled"] or (run["phase"] != PRE and running))

    def pending(self, account: int, *, by_worker: bool) -> list[tuple[int, int]]:
        """(run, item) that are to be settled on the account, in O-1's order; pre-business before all else."""
        numbers = [
            number for number, run in self.runs.items() if self._is_due(run) or (by_worker and self.is_released(run))
        ]
        numbers.sort(
            key=lambda one: (self.runs[one]["phase"] != PRE, self.runs[one]["due"], self.runs[one]["priority"], one)
        )
        return [
            (number, item)
            for number in numbers
            for item, (of, _, _) in sorted(self.runs[number]["items"].items())
            if of == account and item not in self.runs[number]["reasons"]
        ]

    def settle_item(self, run_number: int, item: int, verdict: str | None = None) -> None:
        """One item at its place: holds of days before its own end first (O-6), then C-1 decides."""
        run = self.runs[run_number]
        account, kind, yen = run["items"][item]
        self._expire(account, min(self.today, run["due"]) if run["phase"] == PRE else self.today)
        reason = verdict or (
            "cancelled" if run["cancelled"] else self._refusal(account, yen if kind == "credit" else -yen)
        )
        run["reasons"][item] = reason or "accepted"
        if not reason:
            signed = yen if kind == "credit" else -yen
            self._enter(account, signed, (run_number, item))

    def settle(self, accounts: Iterable[int]) -> None:
        """Before: all that is due, then holds of past days end."""
        for account in set(accounts):
            for run, item in self.pending(account, by_worker=False):
                self.settle_item(run, item)
            self._expire(account, self.today)

    def _expire(self, account: int, day: int) -> None:
        for hold in self.holds.values():
            if hold["account"] == account and hold["open"] and hold["last"] is not None and hold["last"] < day:
                hold["open"] = False

    def _refusal(self, account: int, signed: int, *, capture: bool = False) -> str:
        """Why not (C-1); a capture passes a debit stop and is not refused for funds (C-4)."""
        found = self.accounts.get(account)
        if found is None:
            return "account-unknown"
        if found["status"] in ("closed", "frozen"):
            return f"account-{found['status']}"
        if signed < 0 and not capture:
            if found["status"] == "debit-stopped":
                return "debit-stopped"
            if self._available(account) + signed < 0:
                return "insufficient-funds"
        return ""

    # online

    def post(self, wishes: list[Wish]) -> list[Said]:
        """A batch: what is due on all its accounts first, then one after the other."""
        self.settle(account for wish in wishes for account in self._touched(wish))
        return [self._ask(wish[1]) if wish[0] == "ask" else self._answer(wish) for wish in wishes]

    def _touched(self, wish: Wish) -> list[int]:
        match wish:
            case ("transfer", _, one, other, _):
                return [one, other]
            case ("capture", _, named, _) | ("release", _, named):
                return [self.holds[named]["account"]] if named in self.holds else []
            case ("reverse", _, original):
                return list(self.decided[original]["touched"]) if original in self.decided else []
            case ("ask", account):
                return [account]
        return [wish[2]]

    def _ask(self, account: int) -> Said:
        found = self.accounts.get(account)
        if found is None:
            return ("account-unknown", 0, 0, 0, 0, "")
        return ("accepted", found["balance"], self.held(account), found["floor"], found["sequence"], found["status"])

    def _answer(self, wish: Wish) -> Said:
        known = self.decided.get(wish[1])
        if known is not None:
            if known["wish"] == wish:
                return (known["reason"], True, known["entries"])
            return ("key-reused", False, ())
        touched = self._touched(wish)
        moves = self._moves(wish)
        reason = self._why_not(wish, moves)
        entries: tuple[Any, ...] = ()
        if not reason:
            self._apply(wish)
            entries = tuple(self._enter(account, signed, wish[1]) for account, signed in moves)
        self.decided[wish[1]] = {
            "wish": wish,
            "reason": reason or "accepted",
            "entries": entries,
            "touched": touched,
            "moves": moves,
            "reversed": False,
        }
        return (reason or "accepted", False, entries)

    def _moves(self, wish: Wish) -> list[tuple[int, int]]:
        match wish:
            case ("deposit", _, account, yen):
                return [(account, yen)]
            case ("withdraw", _, account, yen):
                return [(account, -yen)]
            case ("transfer", _, one, other, yen):
                return [(one, -yen), (other, yen)]
            case ("capture", _, named, yen) if named in self.holds:
                hold = self.holds[named]
                return [(hold["account"], -(yen or hold["yen"]))]
            case ("reverse", _, original) if original in self.decided:
                moves = self.decided[original]["moves"]
                # what arrived leaves first, so that a transfer is paid back out of the receiver's account
                return sorted(((account, -signed) for account, signed in moves), key=lambda move: move[1])
        return []

    def _why_not(self, wish: Wish, moves: list[tuple[int, int]]) -> str:
        match wish:
            case ("capture", _, named, _) | ("release", _, named):
                if named not in self.holds:
                    return "hold-unknown"
                hold = self.holds[named]
                if not hold["open"]:
                    return "hold-not-open"
                if moves and -moves[0][1] > hold["yen"]:
                    return "hold-exceeded"
                return self._worst(moves, capture=True)
            case ("reverse", _, original):
                if original not in self.decided:
                    return "original-unknown"
                of = self.decided[original]
                if of["reason"] != "accepted" or of["wish"][0] not in ("deposit", "withdraw", "transfer", "capture"):
                    return "not-reversible"
                return "already-reversed" if of["reversed"] else self._worst(moves)
            case ("hold", _, account, yen, last):
                reason = self._refusal(account, -yen)
                if reason in ("", "insufficient-funds") and last is not None and last < self.today:
                    return "hold-expired"
                return reason
            case ("open", _, account):
                return "account-exists" if account in self.accounts else ""
            case ("status", _, account, word):
                reason = self._changeable(account)
                empty = not reason and not self.accounts[account]["balance"] and not self.held(account)
                return reason or ("account-not-empty" if word == "closed" and not empty else "")
            case ("floor", _, account, yen):
                reason = self._changeable(account)
                if not reason and self.accounts[account]["balance"] - self.held(account) < yen:
                    return "insufficient-funds"
                return reason
        return self._worst(moves)

    def _changeable(self, account: int) -> str:
        if account not in self.accounts:
            return "account-unknown"
        return "account-closed" if self.accounts[account]["status"] == "closed" else ""

    def _worst(self, moves: list[tuple[int, int]], *, capture: bool = False) -> str:
        found = [self._refusal(account, signed, capture=capture) for account, signed in moves]
        return min((reason for reason in found if reason), key=_WORST_FIRST.index, default="")

    def _apply(self, wish: Wish) -> None:
        match wish:
            case ("hold", key, account, yen, last):
                self.holds[key] = {"account": account, "yen": yen, "last": last, "open": True}
            case ("capture", _, named, _) | ("release", _, named):
                self.holds[named]["open"] = False
            case ("reverse", _, original):
                self.decided[original]["reversed"] = True
            case ("open", _, account):
                self.open_account(account)
            case ("status", _, account, word):
                self.accounts[account]["status"] = word
            case ("floor", _, account, yen):
                self.accounts[account]["floor"] = yen

    # runs

    def load(
        self, number: int, payer: int, due: int, phase: str, priority: int, rows: list[tuple[int, str, int]]
    ) -> None:
        """Register a run; credits are paid by `payer` at once."""
        self.runs[number] = {
            "due": due,
            "phase": phase,
            "priority": priority,
            "items": dict(enumerate(rows, start=1)),
            "reasons": {},
            "started": False,
            "paused": False,
            "cancelled": False,
            "finished": "",
        }
        self.settle([payer])
        total = sum(yen for _, kind, yen in rows if kind == "credit")
        if total:
            self._enter(payer, -total, (number, "funding"))

    def may_load(self, due: int, phase: str) -> bool:
        """O-3."""
        return due > self.today or (phase != PRE and due == self.today)

    def state(self, number: int, claimed: bool) -> str:
        """R-1; whether a slice of it was ever claimed is told."""
        run = self.runs[number]
        if run["finished"]:
            return str(run["finished"])
        if run["cancelled"]:
            return "closing"
        if run["paused"]:
            return "paused"
        if run["due"] > self.today:
            return "registered"
        return "running" if claimed else "ready"

    def worked(self, account: int, settled: set[tuple[int, int]]) -> None:
        """A worker settled these items of the account: they must be the next in order (O-1)."""
        order = self.pending(account, by_worker=True)
        assert set(order[: len(settled)]) == settled, f"account {account}: next are {order}, settled were {settled}"
        for run, item in order[: len(settled)]:
            self.settle_item(run, item)
        if len(order) == len(settled):
            self._expire(account, self.today)

    def withdraw(self, number: int, item: int) -> str:
        """R-9: what is due ahead of it is settled; the refusal's code, or nothing."""
        run = self.runs[number]
        if item not in run["items"]:
            return "item-unknown"
        if item in run["reasons"]:
            return "item-settled"
        account = run["items"][item][0]
        for one in self.pending(account, by_worker=False):
            if one == (number, item):
                break
            self.settle_item(*one)
        self.settle_item(number, item, verdict="withdrawn")
        return ""

    def close(self, number: int, payer: int) -> str:
        """R-2: what was not paid goes back, what was collected goes to the payer."""
        run = self.runs[number]
        if run["finished"]:
            return str(run["finished"])
        if not (run["started"] or run["cancelled"]) or len(run["reasons"]) < len(run["items"]):
            return ""
        self.settle([payer])
        owed = sum(
            yen
            for item, (_, kind, yen) in run["items"].items()
            if (kind == "credit") != (run["reasons"][item] == "accepted")
        )
        if owed:
            self._enter(payer, owed, (number, "closing"))
        run["finished"] = "cancelled" if run["cancelled"] else "completed"
        return str(run["finished"])
