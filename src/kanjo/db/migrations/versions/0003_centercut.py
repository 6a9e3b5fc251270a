"""The centre cut: the rest of a run, and the slices workers claim."""

from kanjo.db.migrations import step

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    step.forward(__file__)


def downgrade() -> None:
    step.back(__file__)
