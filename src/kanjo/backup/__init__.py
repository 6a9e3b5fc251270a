"""The backup (バックアップ): base backups and the log of all changes since, outside the server, and the way back.

Copies in step also copy a mistake; this room brings back the moment before it. It moves no money and decides nothing: a
restored ledger is proved, told what it has forgotten, and stays shut until two persons release it. Start reading at
`store.py` (what lies where), then `create.py` and `restore.py`.
"""

from kanjo.backup.catalogue import Backup, Log
from kanjo.backup.create import create, draw, end
from kanjo.backup.doors import Epoch, epochs, release
from kanjo.backup.prune import Pruning, prune
from kanjo.backup.report import Report, digest_of_report, read_report
from kanjo.backup.restore import restore
from kanjo.backup.store import Store
from kanjo.backup.verify import Damage, Verdict, verify

__all__ = [
    "Backup",
    "Damage",
    "Epoch",
    "Log",
    "Pruning",
    "Report",
    "Store",
    "Verdict",
    "create",
    "digest_of_report",
    "draw",
    "end",
    "epochs",
    "prune",
    "read_report",
    "release",
    "restore",
    "verify",
]
