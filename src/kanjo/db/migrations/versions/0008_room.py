"""Room on the pages of accounts: for a whole page's update by a worker, and for old versions that doors leave."""

from kanjo.db.migrations import step

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    step.forward(__file__)


def downgrade() -> None:
    step.back(__file__)
