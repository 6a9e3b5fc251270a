"""The `kanjo` command: parses what was typed, calls a room, prints what it answered (design 9).

It decides nothing and keeps nothing: each command is a few lines that return a `Reply`, printed in one place as tables
for people or as one JSON object for programs. Start reading at `app.py`, then any command file, then `printing.py`.
"""

from kanjo.cli.app import main

__all__ = ["main"]
