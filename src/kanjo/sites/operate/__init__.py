"""The operator's side: what is asked of both sites, how it stands, and what two persons may have done about it.

It decides nothing by itself and never elects; each command is a plan that two persons signed, carried out step by step.
Start reading at `desk.py` (what an administrator's terminal needs), then `standing.py` (how things stand), `plan.py`
(what will be done) and `perform.py` (doing it).
"""
