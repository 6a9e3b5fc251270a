"""The check (勘定検査): proves the laws of a live ledger from its rows, in one snapshot while postings go on (K-1).

It believes nothing that the program computed and it never writes, settles or repairs. Start reading at `laws.sql`: each
block is one thing that must hold; `prove.py` runs them all. Law 4 needs what callers were told: `recording.py` writes
it down, `history.py` judges it.
"""

from kanjo.check.calls import Call, History, Told, read_histories
from kanjo.check.findings import HistoryCheck
from kanjo.check.history import HISTORY_CHECKS, judge
from kanjo.check.lines import How
from kanjo.check.proof import CheckProof, LawProof, Proof, Stuck
from kanjo.check.prove import Law, checks, prove, prove_answers
from kanjo.check.recording import Recorder

__all__ = [
    "HISTORY_CHECKS",
    "Call",
    "CheckProof",
    "History",
    "HistoryCheck",
    "How",
    "Law",
    "LawProof",
    "Proof",
    "Recorder",
    "Stuck",
    "Told",
    "checks",
    "judge",
    "prove",
    "prove_answers",
    "read_histories",
]
