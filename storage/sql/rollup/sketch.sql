-- Makes the HyperLogLog registers of the actors and sessions of each UTC hour: the values above zero, and their places.
-- $1 start, $2 end (timestamptz, half-open)
-- A value is hashed to 64 bits (the hash of hash partitioning, which Postgres keeps stable across versions): the low 14
-- choose the register, the position of the lowest one among the others is what it holds the maximum of.
-- Leans on the partitions' bounds.
WITH hashes AS (
    SELECT
        date_bin(INTERVAL '1 hour', timestamp, TIMESTAMPTZ '1970-01-01 00:00+00') AS time,
        kind,
        hashtextextended(value, 0) AS hash
    FROM analytics_events
    CROSS JOIN LATERAL (VALUES ('actors', actor_id), ('sessions', session_id)) AS distinct_of (kind, value)
    WHERE timestamp >= $1 AND timestamp < $2 AND value IS NOT NULL
), rests AS (
    SELECT time, kind, hash & 16383 AS place, (hash >> 14) | (CAST(1 AS bigint) << 50) AS rest
    FROM hashes
), registers AS (
    SELECT time, kind, place, max(rest & -rest) AS lowest_bit
    FROM rests
    GROUP BY time, kind, place
)
SELECT
    time,
    kind,
    array_agg(CAST(place AS integer)) AS places,
    array_agg(CAST(round(ln(CAST(lowest_bit AS double precision)) / ln(2)) AS integer) + 1) AS ranks
FROM registers
GROUP BY time, kind
