"""Statistics: not gathered where no plan asks for them."""

from kanjo.db.migrations import step

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    step.forward(__file__)


def downgrade() -> None:
    step.back(__file__)
