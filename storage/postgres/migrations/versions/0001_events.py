"""Create the partitioned events, the ledger of their ids, the aggregation deltas and the check of the secret."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of the write path."""
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "analytics_events",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("timestamp", instant, nullable=False),
        sa.Column("received_at", instant, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("schema_version", sa.Text(), nullable=False),
        sa.Column("timestamp_source", sa.Text()),
        sa.Column("actor_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text()),
        sa.Column("session_id", sa.Text()),
        sa.Column("platform", sa.Text()),
        sa.Column("user_agent", sa.Text()),
        sa.Column("ip_address", sa.Text()),
        sa.Column("device", JSONB()),
        sa.Column("event_data", JSONB(), nullable=False),
        postgresql_partition_by="RANGE (timestamp)",
    )
    op.create_index("ix_analytics_events_event_type_timestamp", "analytics_events", ["event_type", "timestamp"])
    op.create_index("ix_analytics_events_actor_id_timestamp", "analytics_events", ["actor_id", "timestamp"])
    op.create_table(
        "analytics_event_keys",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("received_at", instant, nullable=False),
        sa.Column("fingerprint", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name="pk_analytics_event_keys"),
        postgresql_with={"autovacuum_vacuum_scale_factor": 0.005, "autovacuum_vacuum_threshold": 5000},
    )
    op.create_table(
        "analytics_aggregation_deltas",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("hour", instant, nullable=False),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_analytics_aggregation_deltas"),
        postgresql_with={"autovacuum_vacuum_scale_factor": 0, "autovacuum_vacuum_threshold": 5000},
    )
    op.create_table(
        "analytics_service_secret",
        sa.Column("single", sa.Boolean(), nullable=False),
        sa.Column("check_value", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", instant, nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("single", name="pk_analytics_service_secret"),
        sa.CheckConstraint("single", name="single"),
    )


def downgrade() -> None:
    """Refuse: going back would drop events; restore a backup instead."""
    raise NotImplementedError("the schema only goes forward; restore a backup to go back")
