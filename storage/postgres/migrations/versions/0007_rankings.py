"""Create the rankings and the samples of sessions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

REFOLD = """
INSERT INTO analytics_aggregation_deltas (hour, event_type, count)
SELECT timestamp, event_type, 0 FROM analytics_aggregations WHERE timeframe = 'hour' AND NOT frozen
"""
"""The next fold ranks and samples all raw events."""


def upgrade() -> None:
    """Create both tables; the next fold fills them."""
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "analytics_rankings",
        sa.Column("timeframe", sa.Text(), nullable=False),
        sa.Column("timestamp", instant, nullable=False),
        sa.Column("ranking", sa.Text(), nullable=False),
        sa.Column("frozen", sa.Boolean(), nullable=False),
        sa.Column("kinds", ARRAY(sa.Text()), nullable=False),
        sa.Column("names", ARRAY(sa.Text()), nullable=False),
        sa.Column("counts", ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("amounts", ARRAY(sa.Numeric()), nullable=False),
        sa.Column("error", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("timeframe", "timestamp", "ranking", "frozen", name="pk_analytics_rankings"),
    )
    op.create_table(
        "analytics_session_samples",
        sa.Column("timeframe", sa.Text(), nullable=False),
        sa.Column("timestamp", instant, nullable=False),
        sa.Column("frozen", sa.Boolean(), nullable=False),
        sa.Column("threshold", sa.BigInteger(), nullable=False),
        sa.Column("keys", ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("inferred", ARRAY(sa.Boolean()), nullable=False),
        sa.Column("firsts", ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("lasts", ARRAY(sa.BigInteger()), nullable=False),
        sa.PrimaryKeyConstraint("timeframe", "timestamp", "frozen", name="pk_analytics_session_samples"),
    )
    op.execute(REFOLD)


def downgrade() -> None:
    """Refuse: going back would drop what rollups alone remember; restore a backup instead."""
    raise NotImplementedError("the schema only goes forward; restore a backup to go back")
