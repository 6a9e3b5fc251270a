"""Spans: a worker's commit stands for the results of its items; items and results by run and account."""

from kanjo.db.migrations import step

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    step.forward(__file__)


def downgrade() -> None:
    step.back(__file__)
