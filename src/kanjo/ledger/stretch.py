"""A worker's stretch: the next accounts of a slice, with the run's items on them.

Nearly all items of a payroll are plain: the only one due on an account, where no hold expires and nothing is stuck.
`decide.settle` says the rules item by item; `decide_plain` says the same of whole columns, and a property test holds
the two together. Whatever is not plain is left to `settle`.
"""

from __future__ import annotations

from datetime import date
from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from kanjo.ledger.account import Status
from kanjo.ledger.book import Book, Changes, ItemKind
from kanjo.ledger.decide import settle
from kanjo.ledger.reason import Reason

Numbers: TypeAlias = NDArray[np.int64]
SAFE_YEN = 1 << 60
SAFE_AMOUNT_YEN = 1 << 48
"""Within these bounds no sum of a stretch leaves 64 bits unseen; what lies beyond is not plain."""


class Plain(msgspec.Struct, frozen=True, kw_only=True):
    """Items of one run and their accounts, ascending, in columns of one length; amounts in yen.

    `status` is 0 where there is no such account.
    """

    run: int
    due: date
    account: Numbers
    item: Numbers
    kind: Numbers
    amount_yen: Numbers
    balance_yen: Numbers
    held_yen: Numbers
    floor_yen: Numbers
    sequence: Numbers
    status: Numbers

    def same(self, value: int) -> Numbers:
        """A column of that value."""
        return np.full(len(self.account), value)

    def chosen(self, which: NDArray[np.bool_]) -> Plain:
        """These rows of it."""
        columns = {name: getattr(self, name)[which] for name in _COLUMNS}
        return msgspec.structs.replace(self, **columns)


_COLUMNS = ("account", "item", "kind", "amount_yen", "balance_yen", "held_yen", "floor_yen", "sequence", "status")


class PlainOutcomes(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided. `accepted` with sequence, balance and signed amount of the entry; `refused` as it was found."""

    accepted: Plain
    signed_yen: Numbers
    refused: Plain
    reason: Numbers

    @property
    def credited_yen(self) -> int:
        return int(self.signed_yen[self.signed_yen > 0].sum())

    @property
    def debited_yen(self) -> int:
        return -int(self.signed_yen[self.signed_yen < 0].sum())


def decide_plain(plain: Plain) -> PlainOutcomes:
    """Decide each item on its account as it stands, in C-1's order of reasons: the last one assigned comes first."""
    signed_yen = np.where(plain.kind == ItemKind.CREDIT, plain.amount_yen, -plain.amount_yen)
    balance_yen = plain.balance_yen + signed_yen
    debit = signed_yen < 0
    reason = plain.same(Reason.ACCEPTED)
    reason[debit & (balance_yen - plain.held_yen - plain.floor_yen < 0)] = Reason.INSUFFICIENT_FUNDS
    reason[debit & (plain.status == Status.DEBIT_STOPPED)] = Reason.DEBIT_STOPPED
    reason[plain.status == Status.FROZEN] = Reason.ACCOUNT_FROZEN
    reason[plain.status == Status.CLOSED] = Reason.ACCOUNT_CLOSED
    reason[plain.status == 0] = Reason.ACCOUNT_UNKNOWN
    fine = reason == 0
    accepted = plain.chosen(fine)
    return PlainOutcomes(
        accepted=msgspec.structs.replace(accepted, sequence=accepted.sequence + 1, balance_yen=balance_yen[fine]),
        signed_yen=signed_yen[fine],
        refused=plain.chosen(~fine),
        reason=reason[~fine],
    )


_NONE = np.empty(0, np.int64)
NO_PLAIN = Plain(run=0, due=date.min, **dict.fromkeys(_COLUMNS, _NONE))
NOTHING_PLAIN = decide_plain(NO_PLAIN)


class StretchWanted(msgspec.Struct, frozen=True, kw_only=True):
    """The run's accounts from `first` on, as far as `last` and `items_max` items go; `also` as in `Wanted`."""

    run: int
    first: int
    last: int
    also: list[int]
    items_max: int


class StretchBook(msgspec.Struct, kw_only=True):
    """What a stretch is decided on, loaded under the locks of its accounts (ascending).

    `rest` has whatever is not plain. `held` are accounts that a stuck item holds (O-9); `more_from` is where the slice
    goes on, None at its end; `is_first` when no worker was here before, so that a span may stand for results.
    """

    run: int
    accounts: list[int]
    rest: Book
    plain: Plain
    held: set[int]
    more_from: int | None
    is_first: bool


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """The row of `ledger.span`: what a commit settled without a result of its own, in yen."""

    run: int
    first: int
    last: int
    beside: list[int]
    items: int
    credited_yen: int
    debited_yen: int


class StretchChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What to save: the changes of the rest, the plain outcomes, and the span that stands for the accepted ones.

    `next_account` is the first that is not settled; None when the slice is.
    """

    rest: Changes
    plain: PlainOutcomes
    span: Span | None
    next_account: int | None

    @property
    def settled(self) -> int:
        """How many items got their outcome."""
        return len(self.rest.results.run) + len(self.plain.accepted.account) + len(self.plain.refused.account)


def decide_stretch(book: StretchBook, items_max: int) -> StretchChanges:
    """Settle the stretch as far as `items_max` items go (O-8), the first account always as far as it was loaded."""
    accounts, rest, plain = book.accounts, book.rest, book.plain
    cut = _cut(book, items_max)
    next_account = book.more_from
    if cut is not None:
        first_has_more = accounts[0] in rest.unfinished and accounts[0] not in book.held
        next_account = accounts[0] if first_has_more else cut
        accounts = [account for account in accounts if account < cut]
        rest.items = [item for item in rest.items if item[0] < cut]
        rest.unfinished.update(account for account in book.accounts if account >= cut)
        plain = plain.chosen(plain.account < cut)
    elif accounts[0] in rest.unfinished and accounts[0] not in book.held:
        next_account = accounts[0]
    changes = Changes(date=rest.date, by_before=False)
    held_up = settle(rest, changes)
    outcomes = decide_plain(plain)
    span = None
    count = len(outcomes.accepted.account)
    if book.is_first and next_account != accounts[0] and count:
        span = Span(
            run=book.run,
            first=accounts[0],
            last=accounts[-1],
            beside=sorted(held_up),
            items=count,
            credited_yen=outcomes.credited_yen,
            debited_yen=outcomes.debited_yen,
        )
    return StretchChanges(rest=changes, plain=outcomes, span=span, next_account=next_account)


def _cut(book: StretchBook, items_max: int) -> int | None:
    """The first account that this commit leaves alone: beyond the bound, or with more due than was loaded."""
    if not (book.rest.items or book.rest.unfinished):
        return None
    accounts = np.array(book.accounts)
    counts = np.zeros(len(accounts), np.int64)
    np.add.at(counts, np.searchsorted(accounts, book.plain.account), 1)
    np.add.at(counts, np.searchsorted(accounts, [item[0] for item in book.rest.items]), 1)
    left_alone = counts.cumsum() > items_max
    have_more = sorted(book.rest.unfinished - book.held)
    left_alone[np.searchsorted(accounts, have_more)] = True
    if book.accounts[0] in have_more:
        left_alone[1:] = True
    left_alone[0] = False
    return int(accounts[left_alone.argmax()]) if left_alone.any() else None


def is_safe(amount_yen: Numbers, *others_yen: Numbers) -> NDArray[np.bool_]:
    """Where no sum can leave 64 bits."""
    safe: NDArray[np.bool_] = amount_yen < SAFE_AMOUNT_YEN
    for column in others_yen:
        safe &= np.abs(column) < SAFE_YEN
    return safe
