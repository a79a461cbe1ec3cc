-- The tables of blocks and segments, ready to become part of migration 0001. See docs/storage.md.

CREATE TABLE analytics_blocks (
    id uuid NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT now(),
    rows integer NOT NULL,
    format smallint NOT NULL,
    data bytea NOT NULL,
    CONSTRAINT pk_analytics_blocks PRIMARY KEY (id)
)
-- A queue: sealing deletes all that is appended, so vacuum goes by a count, not by the size that the table once had.
WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_insert_threshold = -1);
-- Compressed already.
ALTER TABLE analytics_blocks ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE TABLE analytics_actor_key (
    is_only boolean NOT NULL DEFAULT true,
    check_value text NOT NULL,
    CONSTRAINT pk_analytics_actor_key PRIMARY KEY (is_only),
    CONSTRAINT ck_analytics_actor_key_is_only CHECK (is_only)
);

CREATE TABLE analytics_segments (
    id uuid NOT NULL,
    state text NOT NULL,
    level smallint NOT NULL,
    format smallint NOT NULL,
    place text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    low_actor bigint NOT NULL,
    high_actor bigint NOT NULL,
    rows bigint NOT NULL,
    bytes bigint NOT NULL,
    checksum bytea NOT NULL,
    sums bytea NOT NULL,
    footer bytea NOT NULL,
    CONSTRAINT pk_analytics_segments PRIMARY KEY (id),
    CONSTRAINT ck_analytics_segments_state CHECK (state IN ('writing', 'live', 'replaced', 'abandoned'))
);
-- Few rows, read by state at every report.
CREATE INDEX ix_analytics_segments_state ON analytics_segments (state);
ALTER TABLE analytics_segments ALTER COLUMN footer SET STORAGE EXTERNAL;

-- The bytes of segments in Postgres, cut into parts. A table for each level, so that vacuum never scans what stays for
-- months; those of the top level have a table for each month, analytics_segment_parts_top_YYYYMM, made when it is needed
-- and dropped as a whole.
CREATE TABLE analytics_segment_parts_0 (
    segment_id uuid NOT NULL,
    part integer NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (segment_id, part)
);
ALTER TABLE analytics_segment_parts_0 ALTER COLUMN data SET STORAGE EXTERNAL;
CREATE TABLE analytics_segment_parts_1 (LIKE analytics_segment_parts_0 INCLUDING ALL);
