"""The check (勘定検査): proves laws 1 to 3 of a live ledger from its rows, in one snapshot while postings go on (K-1).

It believes nothing that the program computed and it never writes, settles or repairs. Start reading at `laws.sql`: each
block is one thing that must hold; `prove.py` runs them all.
"""

from kanjo.check.proof import CheckProof, LawProof, Proof, Stuck
from kanjo.check.prove import Law, checks, prove

__all__ = ["CheckProof", "Law", "LawProof", "Proof", "Stuck", "checks", "prove"]
