"""Create the quarantine of rejected events and the ledger of what became of all that came in."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create both tables."""
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "analytics_rejected_events",
        sa.Column("rejection_id", sa.Uuid(), nullable=False),
        sa.Column("received_at", instant, nullable=False),
        sa.Column("replayed_at", instant),
        sa.Column("event_count", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("payload_bytes", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text()),
        sa.Column("event_type", sa.Text()),
        sa.Column("violations", JSONB()),
        sa.Column("payload", sa.LargeBinary()),
        sa.Column("payload_type", sa.Text()),
        sa.PrimaryKeyConstraint("rejection_id", name="pk_analytics_rejected_events"),
    )
    op.create_index("ix_analytics_rejected_events_received_at", "analytics_rejected_events", ["received_at"])
    op.create_table(
        "analytics_ingest_ledger",
        sa.Column("writer_id", sa.Uuid(), nullable=False),
        sa.Column("hour", instant, nullable=False),
        sa.Column("last_batch", sa.BigInteger(), nullable=False),
        sa.Column("stored", sa.BigInteger(), nullable=False),
        sa.Column("duplicates", sa.BigInteger(), nullable=False),
        sa.Column("rejected", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("writer_id", "hour", name="pk_analytics_ingest_ledger"),
        postgresql_with={"fillfactor": 50},
    )


def downgrade() -> None:
    """Refuse: going back would drop rejected events and counts; restore a backup instead."""
    raise NotImplementedError("the schema only goes forward; restore a backup to go back")
