"""Transfers: payroll, bonus, bulk transfer and direct debit as batch businesses that read Zengin (全銀) files.

It turns the groups of a file into runs, keeps what results and outgoing files are written from, and says where the
money of a run goes; it posts nothing and parses no bytes itself. Start reading at `loading.py`, then `result.py`.
"""

from kanjo.transfers.credits import Bonus, BulkTransfer, Payroll
from kanjo.transfers.debit import DirectDebit
from kanjo.transfers.kinds import business_of_file
from kanjo.transfers.outgoing import Outgoing, write_outgoing
from kanjo.transfers.result import save_result, write_result
from kanjo.transfers.returned import give_back
from kanjo.transfers.settings import bank_code, zengin_profile

__all__ = [
    "Bonus",
    "BulkTransfer",
    "DirectDebit",
    "Outgoing",
    "Payroll",
    "bank_code",
    "business_of_file",
    "give_back",
    "save_result",
    "write_outgoing",
    "write_result",
    "zengin_profile",
]
