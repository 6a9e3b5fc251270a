"""The database: PostgreSQL embedded or elsewhere, connections, roles, migrations, columns.

It opens a database, sees to its schema and hands out connections; it knows nothing of accounts or money and never
decides anything. Start reading at `open.py` (what a command does), then `server.py` and `last_out.py` (the embedded
server and who still uses it), `migrate.py` (the schema).
"""

from kanjo.db.account import Account
from kanjo.db.binaries import programs
from kanjo.db.connect import SERVICE_ROLE, Database, Role, reach
from kanjo.db.explain import PASSING, explain
from kanjo.db.home import Home
from kanjo.db.home import prepare as prepare_home
from kanjo.db.life import Status, down, full_disk, status, up
from kanjo.db.migrate import to as migrate_to
from kanjo.db.open import database
from kanjo.db.planted import Planted
from kanjo.db.program import run_program
from kanjo.db.scratch import scratch

__all__ = [
    "PASSING",
    "SERVICE_ROLE",
    "Account",
    "Database",
    "Home",
    "Planted",
    "Role",
    "Status",
    "database",
    "down",
    "explain",
    "full_disk",
    "migrate_to",
    "prepare_home",
    "programs",
    "reach",
    "run_program",
    "scratch",
    "status",
    "up",
]
