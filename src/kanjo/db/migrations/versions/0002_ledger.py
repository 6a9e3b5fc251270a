"""The ledger: accounts, entries, requests, holds, items and their results."""

from kanjo.db.migrations import step

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    step.forward(__file__)


def downgrade() -> None:
    step.back(__file__)
