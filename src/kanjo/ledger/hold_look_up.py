"""The look-up of a hold (オーソリ照会); settles its account first, as every enquiry of one account does (C-5)."""

from __future__ import annotations

import datetime
from uuid import UUID

import msgspec

from kanjo.errors import Refused
from kanjo.ledger.account import show_account
from kanjo.ledger.book import HoldStatus, Wanted
from kanjo.ledger.enquiry import enquire_with
from kanjo.ledger.outcome import Snapshot
from kanjo.ledger.post import ITEMS_MAX
from kanjo.ledger.reason import Reason
from kanjo.ledger.store import Store, Unit


class HoldFound(msgspec.Struct, frozen=True, kw_only=True):
    """A hold as it stands, and what its account stood at when it was looked up (O-2)."""

    account: str
    amount_yen: int
    captured_yen: int
    status: str
    placed_on: datetime.date
    expires_on: datetime.date | None
    ended_on: datetime.date | None
    business_date: datetime.date
    sequence: int
    balance_yen: int


def look_up_hold(store: Store, client: str, key: UUID) -> HoldFound:
    """The hold that `client` placed under `key`, once all that is due on its account is settled.

    Refused: `hold-unknown`, `item-stuck`.
    """
    with store.unit() as unit:
        accounts = unit.accounts_behind((), [(client, key)])
    if not accounts:
        word = Reason.HOLD_UNKNOWN.word
        raise Refused(word, f"there is no hold under the key {key}", key=str(key))

    def read(unit: Unit, snapshot: Snapshot) -> HoldFound:
        shown = show_account(snapshot.account)
        if snapshot.reason or snapshot.business_date is None:
            word = snapshot.reason.word
            raise Refused(word, f"the hold on account {shown} cannot be shown: {word}", account=shown)
        wanted = Wanted(accounts=[], holds=[(client, key)], items_max=ITEMS_MAX)
        hold = unit.load(unit.day(), wanted).holds[(client, key)]
        return HoldFound(
            account=shown,
            amount_yen=hold.amount_yen,
            captured_yen=hold.captured_yen,
            status=HoldStatus(hold.status).word,
            placed_on=hold.placed_on,
            expires_on=hold.expires_on,
            ended_on=hold.ended_on,
            business_date=snapshot.business_date,
            sequence=snapshot.sequence,
            balance_yen=snapshot.balance_yen,
        )

    [account] = accounts
    return enquire_with(store, account, read)
