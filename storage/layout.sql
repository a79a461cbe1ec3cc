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
