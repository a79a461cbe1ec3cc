"""Let the quarantine remember what became of the newest replay of a rejected event."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; they are null until an event is replayed."""
    table = "analytics_rejected_events"
    op.add_column(table, sa.Column("tried_at", sa.DateTime(timezone=True)))
    op.add_column(table, sa.Column("replay_outcome", sa.Text()))
    op.add_column(table, sa.Column("replay_event_id", sa.Text()))
    op.add_column(table, sa.Column("replay_violations", JSONB()))


def downgrade() -> None:
    """Refuse: going back would drop what became of replays; restore a backup instead."""
    raise NotImplementedError("the schema only goes forward; restore a backup to go back")
