"""Create the tables of the service."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

COMPRESSED = {
    "analytics_blocks": "data",
    "analytics_segments": "footer",
    "analytics_segment_parts_0": "data",
    "analytics_segment_parts_1": "data",
    "analytics_summaries": "data",
}
"""Columns whose values are compressed already: Postgres would try in vain."""
FIRST_HORIZON = """
INSERT INTO analytics_horizon (is_only, raw_from, hours_from, days_from, folds)
VALUES (TRUE, '0001-01-01 00:00+00', '0001-01-01 00:00+00', '0001-01-01 00:00+00', 0)
"""
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
    """Create the tables, and the trigger that keeps the audit log whole."""
    _create_event_tables()
    _create_other_tables()
    for table, column in COMPRESSED.items():
        op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE EXTERNAL")
    op.execute(REFUSE_CHANGE)
    op.execute(APPEND_ONLY)


def downgrade() -> None:
    """Refuse: going back would drop events; restore a backup instead."""
    raise NotImplementedError("the schema only goes forward; restore a backup to go back")


def _create_event_tables() -> None:
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
    op.create_index("ix_analytics_events_user_id_timestamp", "analytics_events", ["user_id", "timestamp"])
    op.create_table(
        "analytics_event_keys",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("received_at", instant, nullable=False),
        sa.Column("fingerprint", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name="pk_analytics_event_keys"),
        postgresql_with={"autovacuum_vacuum_scale_factor": 0.005, "autovacuum_vacuum_threshold": 5000},
    )
    op.create_table(
        "analytics_blocks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("first_at", instant, nullable=False),
        sa.Column("last_at", instant, nullable=False),
        sa.Column("stored_at", instant, server_default=sa.text("now()"), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("format", sa.SmallInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_analytics_blocks"),
        postgresql_with={
            "autovacuum_vacuum_scale_factor": 0,
            "autovacuum_vacuum_threshold": 200,
            "autovacuum_vacuum_insert_threshold": -1,
        },
    )
    op.create_table(
        "analytics_actor_key",
        sa.Column("is_only", sa.Boolean(), nullable=False),
        sa.Column("check_value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("is_only", name="pk_analytics_actor_key"),
        sa.CheckConstraint("is_only", name="ck_analytics_actor_key_is_only"),
    )
    op.create_table(
        "analytics_segments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("format", sa.SmallInteger(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("changed_at", instant, server_default=sa.text("now()"), nullable=False),
        sa.Column("stored_at", instant, server_default=sa.text("now()"), nullable=False),
        sa.Column("first_at", instant, nullable=False),
        sa.Column("last_at", instant, nullable=False),
        sa.Column("low_actor", sa.BigInteger(), nullable=False),
        sa.Column("high_actor", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("is_summarised", sa.Boolean(), nullable=False),
        sa.Column("copied_rows", sa.BigInteger(), nullable=False),
        sa.Column("checksum", sa.LargeBinary(), nullable=False),
        sa.Column("sums", sa.LargeBinary(), nullable=False),
        sa.Column("footer", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_analytics_segments"),
        sa.CheckConstraint("state IN ('writing', 'live', 'replaced', 'abandoned')", name="ck_analytics_segments_state"),
    )
    op.create_index("ix_analytics_segments_state", "analytics_segments", ["state"])
    op.create_table(
        "analytics_segment_parts_0",
        sa.Column("segment_id", sa.Uuid(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("segment_id", "part", name="pk_analytics_segment_parts_0"),
    )
    op.create_table(
        "analytics_segment_parts_1",
        sa.Column("segment_id", sa.Uuid(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("segment_id", "part", name="pk_analytics_segment_parts_1"),
    )
    op.create_table(
        "analytics_aggregations",
        sa.Column("timeframe", sa.Text(), nullable=False),
        sa.Column("timestamp", instant, nullable=False),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("metadata", JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("timeframe", "timestamp", "event_type", name="pk_analytics_aggregations"),
    )
    op.create_table(
        "analytics_summaries",
        sa.Column("timeframe", sa.Text(), nullable=False),
        sa.Column("timestamp", instant, nullable=False),
        sa.Column("version", sa.Uuid(), nullable=False),
        sa.Column("format", sa.SmallInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("timeframe", "timestamp", "version", name="pk_analytics_summaries"),
    )
    op.create_table(
        "analytics_horizon",
        sa.Column("is_only", sa.Boolean(), nullable=False),
        sa.Column("raw_from", instant, nullable=False),
        sa.Column("hours_from", instant, nullable=False),
        sa.Column("days_from", instant, nullable=False),
        sa.Column("folds", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("is_only", name="pk_analytics_horizon"),
        sa.CheckConstraint("is_only", name="ck_analytics_horizon_is_only"),
    )
    op.execute(FIRST_HORIZON)
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


def _create_other_tables() -> None:
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
        sa.Column("tried_at", instant),
        sa.Column("replay_outcome", sa.Text()),
        sa.Column("replay_event_id", sa.Text()),
        sa.Column("replay_violations", JSONB()),
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
    op.create_table(
        "analytics_service_secret",
        sa.Column("single", sa.Boolean(), nullable=False),
        sa.Column("check_value", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", instant, nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("single", name="pk_analytics_service_secret"),
        sa.CheckConstraint("single", name="ck_analytics_service_secret_single"),
    )
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
    op.create_table(
        "analytics_job_ticks",
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("started_at", instant, nullable=False),
        sa.Column("runner", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("job", name="pk_analytics_job_ticks"),
    )
    op.create_table(
        "analytics_upkeep",
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("runner", sa.Text(), nullable=False),
        sa.Column("started_at", instant, nullable=False),
        sa.Column("finished_at", instant, nullable=False),
        sa.Column("succeeded_at", instant),
        sa.Column("reason", sa.Text()),
        sa.Column("runs", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("job", name="pk_analytics_upkeep"),
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
