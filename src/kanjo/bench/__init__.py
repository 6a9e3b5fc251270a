"""The benches behind `kanjo bench`: each measures something of Kanjo's and a yardstick, in turn, on the same server.

They use the other rooms as their users do, on databases of their own, and never lower durability; only the yardstick of
the centre cut writes entries by itself, to show what no ledger could do without. Start reading at `bench.py`, then at
one of `cutting.py`, `serving.py`, `beside.py`, `filing.py` and `apart.py`; `running.py` lists them all.
"""

from kanjo.bench.figure import Figure
from kanjo.bench.machine import Machine, machine
from kanjo.bench.running import BENCHES, run

__all__ = ["BENCHES", "Figure", "Machine", "machine", "run"]
