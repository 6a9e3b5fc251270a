"""Transfers: what a run needs of its file after loading, to write results and outgoing files."""

from kanjo.db.migrations import step

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    step.forward(__file__)


def downgrade() -> None:
    step.back(__file__)
