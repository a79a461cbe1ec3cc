"""Create the first sights of actors, and their counts by hour."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

REFOLD = """
INSERT INTO analytics_aggregation_deltas (hour, event_type, count)
SELECT timestamp, event_type, 0 FROM analytics_aggregations WHERE timeframe = 'hour' AND NOT frozen
"""
"""The next fold sees the actors of all raw events."""


def upgrade() -> None:
    """Create both tables; the next fold fills them."""
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "analytics_first_sights",
        sa.Column("actor", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("first_at", instant, nullable=False),
        sa.PrimaryKeyConstraint("actor", name="pk_analytics_first_sights"),
    )
    op.create_index("ix_analytics_first_sights_first_at", "analytics_first_sights", ["first_at"])
    op.create_table(
        "analytics_new_actors",
        sa.Column("hour", instant, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hour", name="pk_analytics_new_actors"),
    )
    op.execute(REFOLD)


def downgrade() -> None:
    """Refuse: going back would drop what first sights alone remember; restore a backup instead."""
    raise NotImplementedError("the schema only goes forward; restore a backup to go back")
