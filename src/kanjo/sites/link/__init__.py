"""The link (拠点間回線): all that one site has of the other goes through it, and it is where they are cut apart.

Each site runs an end: it takes plain connections on its own loopback, carries each over mutual TLS to the other end,
and that one connects to whoever leads there now. It decides nothing about the sites and keeps no data; when in doubt it
is cut. Start reading at `valve.py` (open, cut), then `leader.py` (whom to follow), `carriage.py` and `end.py`.
"""
