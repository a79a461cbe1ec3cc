-- Samples the sessions of raw events in each UTC hour: those with the smallest hashes, and when each was active.
-- $1 start, $2 end (timestamptz, half-open), $3 how many to keep
-- A session is that of its id. Events without one belong to sessions of their actor, which who reads this makes of the
-- halves of hours in which it was active: events of one half are never 30 minutes apart.
-- A key has 63 bits, those of the hash of hash partitioning. The threshold is the smallest key left out.
-- Leans on the partitions' bounds.
WITH events AS (
    SELECT
        date_bin(INTERVAL '1 hour', timestamp, TIMESTAMPTZ '1970-01-01 00:00+00') AS time,
        hashtextextended(coalesce(session_id, actor_id), CAST(session_id IS NULL AS integer)) & 9223372036854775807
            AS key,
        session_id IS NULL AS inferred,
        CASE WHEN session_id IS NULL THEN date_bin(INTERVAL '30 minutes', timestamp, TIMESTAMPTZ '1970-01-01 00:00+00') END
            AS half,
        timestamp
    FROM analytics_events
    WHERE timestamp >= $1 AND timestamp < $2
), active AS (
    SELECT time, key, inferred, min(timestamp) AS first_at, max(timestamp) AS last_at
    FROM events
    GROUP BY time, key, inferred, half
), placed AS (
    SELECT time, key, inferred, first_at, last_at, dense_rank() OVER (PARTITION BY time ORDER BY key) AS place
    FROM active
)
SELECT
    time,
    coalesce(min(key) FILTER (WHERE place > $3), 9223372036854775807) AS threshold,
    array_agg(key) FILTER (WHERE place <= $3) AS keys,
    array_agg(inferred) FILTER (WHERE place <= $3) AS inferred,
    array_agg(CAST(floor(1000000 * extract(epoch FROM first_at)) AS bigint)) FILTER (WHERE place <= $3) AS firsts,
    array_agg(CAST(floor(1000000 * extract(epoch FROM last_at)) AS bigint)) FILTER (WHERE place <= $3) AS lasts
FROM placed
GROUP BY time
