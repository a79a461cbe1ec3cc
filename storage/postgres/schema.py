"""The tables, as SQLAlchemy Core metadata: the one description that migrations are compared with."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""Every table of the service, with names of indexes and constraints that a migration can foresee."""

_INSTANT = sa.DateTime(timezone=True)

analytics_events = sa.Table(
    "analytics_events",
    metadata,
    # Columns of fixed width stand first: no padding between them, some 10 bytes less an event.
    sa.Column("event_id", sa.Uuid, nullable=False),
    sa.Column("timestamp", _INSTANT, nullable=False),
    sa.Column("received_at", _INSTANT, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("event_type", sa.Text, nullable=False),
    sa.Column("schema_version", sa.Text, nullable=False),
    sa.Column("timestamp_source", sa.Text),
    sa.Column("actor_id", sa.Text, nullable=False),
    sa.Column("user_id", sa.Text),
    sa.Column("session_id", sa.Text),
    sa.Column("platform", sa.Text),
    sa.Column("user_agent", sa.Text),
    sa.Column("ip_address", sa.Text),
    sa.Column("device", JSONB),
    sa.Column("event_data", JSONB, nullable=False),
    sa.Index(None, "event_type", "timestamp"),
    sa.Index(None, "user_id", "timestamp"),
    postgresql_partition_by="RANGE (timestamp)",
)
"""Recent events as rows, for SQL and BI tools; one partition a UTC day. Copied from segments; nothing of ours reads it.
"""

analytics_event_keys = sa.Table(
    "analytics_event_keys",
    metadata,
    sa.Column("event_id", sa.Uuid, primary_key=True),
    sa.Column("received_at", _INSTANT, nullable=False),
    sa.Column("fingerprint", sa.BigInteger, nullable=False),
    # Each night retention deletes one day's keys of ninety, some 1 %. By Postgres's default of 20 % they would wait for
    # weeks, and their space with them. Keys are never updated, so pages are filled to the brim.
    postgresql_with={"autovacuum_vacuum_scale_factor": 0.005, "autovacuum_vacuum_threshold": 5000},
)
"""The ledger of ids: a row here, in the transaction that stores the event, is what makes it stored exactly once."""

analytics_blocks = sa.Table(
    "analytics_blocks",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("first_at", _INSTANT, nullable=False),
    sa.Column("last_at", _INSTANT, nullable=False),
    sa.Column("stored_at", _INSTANT, nullable=False, server_default=sa.text("now()")),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("format", sa.SmallInteger, nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
    # A queue: sealing deletes all that is appended, so vacuum goes by a count, not by the size that it once had.
    postgresql_with={
        "autovacuum_vacuum_scale_factor": 0,
        "autovacuum_vacuum_threshold": 200,
        "autovacuum_vacuum_insert_threshold": -1,
    },
)
"""What write transactions stored and nobody has sealed yet: the events of each, compressed."""

analytics_actor_key = sa.Table(
    "analytics_actor_key",
    metadata,
    sa.Column("is_only", sa.Boolean, sa.CheckConstraint("is_only", name="is_only"), primary_key=True),
    sa.Column("check_value", sa.Text, nullable=False),
)
"""By which value, derived from it, a service knows whether its key makes the pseudonyms of this database: one row."""

analytics_segments = sa.Table(
    "analytics_segments",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column(
        "state",
        sa.Text,
        sa.CheckConstraint("state IN ('writing', 'live', 'replaced', 'abandoned')", name="state"),
        nullable=False,
    ),
    sa.Column("level", sa.SmallInteger, nullable=False),
    sa.Column("format", sa.SmallInteger, nullable=False),
    sa.Column("place", sa.Text, nullable=False),
    sa.Column("changed_at", _INSTANT, nullable=False, server_default=sa.text("now()")),
    # When the oldest of its events were stored.
    sa.Column("stored_at", _INSTANT, nullable=False, server_default=sa.text("now()")),
    sa.Column("first_at", _INSTANT, nullable=False),
    sa.Column("last_at", _INSTANT, nullable=False),
    sa.Column("low_actor", sa.BigInteger, nullable=False),
    sa.Column("high_actor", sa.BigInteger, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("is_summarised", sa.Boolean, nullable=False),
    sa.Column("copied_rows", sa.BigInteger, nullable=False),
    sa.Column("checksum", sa.LargeBinary, nullable=False),
    sa.Column("sums", sa.LargeBinary, nullable=False),
    sa.Column("footer", sa.LargeBinary, nullable=False),
    # Few rows, read by state at every report.
    sa.Index(None, "state"),
)
"""The catalogue of segments: which files of sorted events there are, and which of them count."""

analytics_segment_parts_0 = sa.Table(
    "analytics_segment_parts_0",
    metadata,
    sa.Column("segment_id", sa.Uuid, primary_key=True),
    sa.Column("part", sa.Integer, primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
)

analytics_segment_parts_1 = sa.Table(
    "analytics_segment_parts_1",
    metadata,
    sa.Column("segment_id", sa.Uuid, primary_key=True),
    sa.Column("part", sa.Integer, primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
)
"""The bytes of segments in Postgres, cut into parts. A table for each level, so that vacuum never scans what stays for
months; those of the top level have a table for each month, analytics_segment_parts_top_YYYYMM, made when it is needed
and dropped as a whole."""

analytics_rejected_events = sa.Table(
    "analytics_rejected_events",
    metadata,
    sa.Column("rejection_id", sa.Uuid, primary_key=True),
    sa.Column("received_at", _INSTANT, nullable=False),
    sa.Column("replayed_at", _INSTANT),
    sa.Column("event_count", sa.BigInteger, nullable=False, server_default=sa.text("1")),
    sa.Column("payload_bytes", sa.BigInteger, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("event_id", sa.Text),
    sa.Column("event_type", sa.Text),
    sa.Column("violations", JSONB),
    # What payload_type says: bytes, because jsonb refuses some of what events are rejected for.
    sa.Column("payload", sa.LargeBinary),
    sa.Column("payload_type", sa.Text),
    # Of the newest replay: when, STORED, DUPLICATE or the reason why it failed, under which event id, what was wrong.
    sa.Column("tried_at", _INSTANT),
    sa.Column("replay_outcome", sa.Text),
    sa.Column("replay_event_id", sa.Text),
    sa.Column("replay_violations", JSONB),
    sa.Index(None, "received_at"),
)
"""The quarantine: events that were refused, and why. Past its bound one row stands for many events, without payload."""

analytics_ingest_ledger = sa.Table(
    "analytics_ingest_ledger",
    metadata,
    sa.Column("writer_id", sa.Uuid, primary_key=True),
    sa.Column("hour", _INSTANT, primary_key=True),
    sa.Column("last_batch", sa.BigInteger, nullable=False),
    sa.Column("stored", sa.BigInteger, nullable=False),
    sa.Column("duplicates", sa.BigInteger, nullable=False),
    sa.Column("rejected", sa.BigInteger, nullable=False),
    # One row a writer and hour, updated by every batch: half-filled pages leave room to do so in place.
    postgresql_with={"fillfactor": 50},
)
"""What became of the events received in an hour. A writer's newest row also tells which batches are committed."""

analytics_aggregations = sa.Table(
    "analytics_aggregations",
    metadata,
    sa.Column("timeframe", sa.Text, primary_key=True),
    sa.Column("timestamp", _INSTANT, primary_key=True),
    sa.Column("event_type", sa.Text, primary_key=True),
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Column("metadata", JSONB, nullable=False),
)
"""How many events of a type an hour, day, week or month (UTC) has, and sums of their measures, for SQL and BI tools.
Written together with the summaries, and made of the same events."""

analytics_summaries = sa.Table(
    "analytics_summaries",
    metadata,
    sa.Column("timeframe", sa.Text, primary_key=True),
    sa.Column("timestamp", _INSTANT, primary_key=True),
    # Random, used once: who replaces parts names those that it read, and processes remember what they have decoded.
    sa.Column("version", sa.Uuid, primary_key=True),
    sa.Column("format", sa.SmallInteger, nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
)
"""What a dashboard needs of an hour, day, week or month (UTC), in parts that add up: the events of all segments that
are summarised, and of those that have aged out."""

analytics_horizon = sa.Table(
    "analytics_horizon",
    metadata,
    sa.Column("is_only", sa.Boolean, sa.CheckConstraint("is_only", name="is_only"), primary_key=True),
    sa.Column("raw_from", _INSTANT, nullable=False),
    sa.Column("hours_from", _INSTANT, nullable=False),
    sa.Column("days_from", _INSTANT, nullable=False),
    sa.Column("folds", sa.BigInteger, nullable=False),
)
"""From when on there are all raw events, hours and days, and how often the summaries have changed: one row, which
whoever changes summaries locks."""

analytics_first_sights = sa.Table(
    "analytics_first_sights",
    metadata,
    sa.Column("actor", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("first_at", _INSTANT, nullable=False),
    sa.Index(None, "first_at"),
)
"""When each actor was first seen in summarised events, including those since deleted; an actor is its pseudonym."""

analytics_new_actors = sa.Table(
    "analytics_new_actors",
    metadata,
    sa.Column("hour", _INSTANT, primary_key=True),
    sa.Column("count", sa.BigInteger, nullable=False),
)
"""How many first sights an hour has."""

analytics_service_secret = sa.Table(
    "analytics_service_secret",
    metadata,
    sa.Column("single", sa.Boolean, sa.CheckConstraint("single", name="single"), primary_key=True),
    sa.Column("check_value", sa.LargeBinary, nullable=False),
    sa.Column("recorded_at", _INSTANT, nullable=False),
    sa.Column("recorded_by", sa.Text, nullable=False),
)
"""By which value, derived from it, a service knows whether its secret is the one of this database: one row, no key."""

analytics_keys = sa.Table(
    "analytics_keys",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, sa.CheckConstraint("kind IN ('pub', 'srv')", name="kind"), nullable=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("scopes", ARRAY(sa.Text), nullable=False),
    sa.Column("origins", ARRAY(sa.Text), nullable=False),
    sa.Column("event_types", ARRAY(sa.Text), nullable=False),
    sa.Column(
        "user_ids",
        sa.Text,
        sa.CheckConstraint("user_ids IN ('none', 'any', 'subject')", name="user_ids"),
        nullable=False,
    ),
    sa.Column("events_per_second", sa.Integer, nullable=False),
    sa.Column("daily_events", sa.BigInteger, nullable=False),
    sa.Column("concurrent_reports", sa.Integer, nullable=False),
    sa.Column("created_at", _INSTANT, nullable=False),
    sa.Column("expires_at", _INSTANT),
    sa.Column("revoked_at", _INSTANT),
    sa.Column("last_used_at", _INSTANT),
    sa.Column("used_day", sa.Date),
    sa.Column("used_events", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    # Workers count into a row every few seconds: half-filled pages leave room to do so in place.
    postgresql_with={"fillfactor": 50},
)
"""The keys of callers: SHA-256 of each key's text, never the text. Rows are revoked and never deleted."""

analytics_refused_calls = sa.Table(
    "analytics_refused_calls",
    metadata,
    sa.Column("reason", sa.Text, primary_key=True),
    sa.Column("calls", sa.BigInteger, nullable=False),
)
"""How many calls were refused for who made them, by reason, of all time."""

analytics_job_ticks = sa.Table(
    "analytics_job_ticks",
    metadata,
    sa.Column("job", sa.Text, primary_key=True),
    sa.Column("started_at", _INSTANT, nullable=False),
    sa.Column("runner", sa.Text, nullable=False),
)
"""When each job last began by the clock, and who ran it: how several servers run each tick once."""

analytics_upkeep = sa.Table(
    "analytics_upkeep",
    metadata,
    sa.Column("job", sa.Text, primary_key=True),
    sa.Column("runner", sa.Text, nullable=False),
    sa.Column("started_at", _INSTANT, nullable=False),
    sa.Column("finished_at", _INSTANT, nullable=False),
    sa.Column("succeeded_at", _INSTANT),
    sa.Column("reason", sa.Text),
    sa.Column("runs", sa.BigInteger, nullable=False),
    sa.Column("failures", sa.BigInteger, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
)
"""How sealing and merging go, which run every second and so leave no row each in the audit log."""

analytics_audit_log = sa.Table(
    "analytics_audit_log",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("started_at", _INSTANT, nullable=False),
    sa.Column("finished_at", _INSTANT, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("range_start", _INSTANT),
    sa.Column("range_end", _INSTANT),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("details", JSONB, nullable=False),
    sa.Index(None, "action", "id"),
)
"""Who did what to which data. Append-only: a trigger refuses to change or delete a row."""
