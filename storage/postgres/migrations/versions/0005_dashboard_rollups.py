"""Let rollups hold all that a dashboard shows."""

import zlib

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

EMPTY_SKETCH = zlib.compress(bytes(1 << 14))
REFOLD = """
INSERT INTO analytics_aggregation_deltas (hour, event_type, count)
SELECT timestamp, event_type, 0 FROM analytics_aggregations WHERE timeframe = 'hour' AND NOT frozen
"""
"""The next fold makes anew what is made of raw events; what is frozen stays as it was, without the new measures."""


def upgrade() -> None:
    """Sketch live streams, too, and stop compressing sketches twice."""
    op.add_column(
        "analytics_distinct_sketches",
        sa.Column("streams", sa.LargeBinary(), nullable=False, server_default=sa.text(f"'\\x{EMPTY_SKETCH.hex()}'")),
    )
    op.alter_column("analytics_distinct_sketches", "streams", server_default=None)
    for column in ("actors", "sessions", "streams"):
        op.execute(f"ALTER TABLE analytics_distinct_sketches ALTER COLUMN {column} SET STORAGE EXTERNAL")
    op.execute(REFOLD)


def downgrade() -> None:
    """Refuse: going back would drop what rollups alone remember; restore a backup instead."""
    raise NotImplementedError("the schema only goes forward; restore a backup to go back")
