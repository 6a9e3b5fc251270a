"""Epochs: which life of the ledger this is, and whether its doors are shut."""

from kanjo.db.migrations import step

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    step.forward(__file__)


def downgrade() -> None:
    step.back(__file__)
