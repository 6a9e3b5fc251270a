"""The register (登録簿): which site serves, since which epoch, under which policy, and who decided so, twice signed.

It is a tiny record in a third place, a process of its own (pitfall 16); it never acts on a database, it only remembers
decisions and refuses those that the rules forbid. Start reading at `state.py` (what may follow what), then `entry.py`
(why nobody can rewrite it), `log.py` (why it survives) and `client.py` (how to ask it).
"""
