"""Create the rollups, the marks of days that are going, the ticks of the jobs and the audit log."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

REFUSE_CLOSED_DAY = """
CREATE FUNCTION analytics_refuse_closed_day() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the day of this event is being removed' USING ERRCODE = 'check_violation';
END $$
"""
"""Trigger of a partition whose hours are frozen. Writers take the error for the lack of a partition, and look again."""
REFUSE_CHANGE = """
CREATE FUNCTION analytics_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are only ever added', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$
"""
APPEND_ONLY = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON analytics_audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION analytics_refuse_change()
"""


def upgrade() -> None:
    """Create the tables, and the triggers that keep a closed day closed and the audit log whole."""
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "analytics_aggregations",
        sa.Column("timeframe", sa.Text(), nullable=False),
        sa.Column("timestamp", instant, nullable=False),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("frozen", sa.Boolean(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("metadata", JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("timeframe", "timestamp", "event_type", "frozen", name="pk_analytics_aggregations"),
    )
    op.create_table(
        "analytics_distinct_sketches",
        sa.Column("timeframe", sa.Text(), nullable=False),
        sa.Column("timestamp", instant, nullable=False),
        sa.Column("frozen", sa.Boolean(), nullable=False),
        sa.Column("actors", sa.LargeBinary(), nullable=False),
        sa.Column("sessions", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("timeframe", "timestamp", "frozen", name="pk_analytics_distinct_sketches"),
    )
    op.create_table(
        "analytics_closed_days",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("closed_at", instant, nullable=False),
        sa.PrimaryKeyConstraint("day", name="pk_analytics_closed_days"),
    )
    op.create_table(
        "analytics_job_ticks",
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("started_at", instant, nullable=False),
        sa.Column("runner", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("job", name="pk_analytics_job_ticks"),
    )
    op.create_table(
        "analytics_audit_log",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("started_at", instant, nullable=False),
        sa.Column("finished_at", instant, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("range_start", instant),
        sa.Column("range_end", instant),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("details", JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_analytics_audit_log"),
    )
    op.create_index("ix_analytics_audit_log_action_id", "analytics_audit_log", ["action", "id"])
    for text in (REFUSE_CLOSED_DAY, REFUSE_CHANGE, APPEND_ONLY):
        op.execute(text)


def downgrade() -> None:
    """Refuse: going back would drop what rollups alone remember; restore a backup instead."""
    raise NotImplementedError("the schema only goes forward; restore a backup to go back")
