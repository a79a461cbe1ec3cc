"""Create the keys of callers, and the counts of refused calls."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create both tables, empty."""
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "analytics_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scopes", ARRAY(sa.Text()), nullable=False),
        sa.Column("origins", ARRAY(sa.Text()), nullable=False),
        sa.Column("event_types", ARRAY(sa.Text()), nullable=False),
        sa.Column("user_ids", sa.Text(), nullable=False),
        sa.Column("events_per_second", sa.Integer(), nullable=False),
        sa.Column("daily_events", sa.BigInteger(), nullable=False),
        sa.Column("concurrent_reports", sa.Integer(), nullable=False),
        sa.Column("created_at", instant, nullable=False),
        sa.Column("expires_at", instant),
        sa.Column("revoked_at", instant),
        sa.Column("last_used_at", instant),
        sa.Column("used_day", sa.Date()),
        sa.Column("used_events", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_analytics_keys"),
        sa.CheckConstraint("kind IN ('pub', 'srv')", name="ck_analytics_keys_kind"),
        sa.CheckConstraint("user_ids IN ('none', 'any', 'subject')", name="ck_analytics_keys_user_ids"),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "analytics_refused_calls",
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("reason", name="pk_analytics_refused_calls"),
    )


def downgrade() -> None:
    """Refuse: going back would drop every key; restore a backup instead."""
    raise NotImplementedError("the schema only goes forward; restore a backup to go back")
