"""Speed: spans stand for results, items and results by run and account, counts of rows required in SQL."""

from kanjo.db.migrations import step

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    step.forward(__file__)


def downgrade() -> None:
    step.back(__file__)
