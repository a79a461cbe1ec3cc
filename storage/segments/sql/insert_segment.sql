-- Announces a segment whose bytes are about to be written.
-- $1 id (uuid), $2 level, $3 format (smallint), $4 place (text), $5 first and $6 last time (timestamptz), $7 least and
-- $8 greatest actor (bigint), $9 rows, $10 bytes (bigint), $11 checksum, $12 checksums of columns, $13 footer (bytea),
-- $14 whether it is summarised (boolean), $15 rows that are copied (bigint)
INSERT INTO analytics_segments (id, state, level, format, place, first_at, last_at, low_actor, high_actor, rows, bytes,
                                checksum, sums, footer, is_summarised, copied_rows)
VALUES ($1, 'writing', $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
