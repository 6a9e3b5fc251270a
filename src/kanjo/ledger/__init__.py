"""The ledger: accounts, entries, holds, pending items, the business date; the one way to move money (law 5).

It settles what is due on an account before anything else happens there (Before), decides without I/O, and stores every
decision once. It never learns where items come from, and it never waits for anybody outside the database. Start reading
at `post.py`, then `decide.py`.
"""

from kanjo.ledger import pulse
from kanjo.ledger.account import (
    Account,
    Product,
    Status,
    Word,
    account_number,
    is_account,
    parse_account,
    show_account,
)
from kanjo.ledger.batcher import Batcher, Overloaded
from kanjo.ledger.book import HoldStatus, Item, ItemKind, LawBroken, Phase, Run, StuckItem, Wanted
from kanjo.ledger.chart import Code
from kanjo.ledger.day import business_date, open_day, require_forward, require_open
from kanjo.ledger.doubt import PATIENCE_S, until_known
from kanjo.ledger.hold_look_up import HoldFound, look_up_hold
from kanjo.ledger.instruction import (
    AMOUNT_MAX_YEN,
    Asked,
    CaptureHold,
    ChangeAccount,
    Enquiry,
    Kind,
    Movement,
    OpenAccount,
    PlaceHold,
    Post,
    ReleaseHold,
    Reverse,
    deposit,
    transfer,
    withdrawal,
)
from kanjo.ledger.key import new_key
from kanjo.ledger.mandates import MandatesLoaded, import_mandates, normal_customer
from kanjo.ledger.memory import MemoryStore, MemoryUnit
from kanjo.ledger.opening import NAME_LENGTH_MAX, export_accounts, import_accounts, is_empty
from kanjo.ledger.outcome import Answer, EntryLine, NotDecided, Outcome, Snapshot, Touch
from kanjo.ledger.partitions import ensure_partitions
from kanjo.ledger.post import ITEMS_MAX, enquire, post, post_in, settle, settle_stretch
from kanjo.ledger.postgres import PostgresStore, PostgresUnit, store_of
from kanjo.ledger.reason import Reason
from kanjo.ledger.statement import Statement, StatementLine, statement
from kanjo.ledger.store import (
    NOT_POISON,
    CommitTooWeak,
    Conflict,
    Day,
    OutcomeUnknown,
    Store,
    StoreAway,
    StoreFailed,
    Unit,
)
from kanjo.ledger.stretch import StretchWanted
from kanjo.ledger.trial import TrialBalance, TrialLine, trial_balance
from kanjo.ledger.verdict import Verdict, give_verdict

__all__ = [
    "AMOUNT_MAX_YEN",
    "ITEMS_MAX",
    "NAME_LENGTH_MAX",
    "NOT_POISON",
    "PATIENCE_S",
    "Account",
    "Answer",
    "Asked",
    "Batcher",
    "CaptureHold",
    "ChangeAccount",
    "Code",
    "CommitTooWeak",
    "Conflict",
    "Day",
    "Enquiry",
    "EntryLine",
    "HoldFound",
    "HoldStatus",
    "Item",
    "ItemKind",
    "Kind",
    "LawBroken",
    "MandatesLoaded",
    "MemoryStore",
    "MemoryUnit",
    "Movement",
    "NotDecided",
    "OpenAccount",
    "Outcome",
    "OutcomeUnknown",
    "Overloaded",
    "Phase",
    "PlaceHold",
    "Post",
    "PostgresStore",
    "PostgresUnit",
    "Product",
    "Reason",
    "ReleaseHold",
    "Reverse",
    "Run",
    "Snapshot",
    "Statement",
    "StatementLine",
    "Status",
    "Store",
    "StoreAway",
    "StoreFailed",
    "StretchWanted",
    "StuckItem",
    "Touch",
    "TrialBalance",
    "TrialLine",
    "Unit",
    "Verdict",
    "Wanted",
    "Word",
    "account_number",
    "business_date",
    "deposit",
    "enquire",
    "ensure_partitions",
    "export_accounts",
    "give_verdict",
    "import_accounts",
    "import_mandates",
    "is_account",
    "is_empty",
    "look_up_hold",
    "new_key",
    "normal_customer",
    "open_day",
    "parse_account",
    "post",
    "post_in",
    "pulse",
    "require_forward",
    "require_open",
    "settle",
    "settle_stretch",
    "show_account",
    "statement",
    "store_of",
    "transfer",
    "trial_balance",
    "until_known",
    "withdrawal",
]
