"""The schema's history: numbered steps in plain SQL, forward and back.

`versions/NNNN_name.py` names a step and the one before it; what it does is in `NNNN_name.up.sql` and
`NNNN_name.down.sql` beside it.
"""
