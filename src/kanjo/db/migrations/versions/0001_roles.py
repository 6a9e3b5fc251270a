"""The role under which doors and workers run (rule D-2)."""

from kanjo.db.migrations import step

revision = "0001"
down_revision = None


def upgrade() -> None:
    step.forward(__file__)


def downgrade() -> None:
    step.back(__file__)
