-- Hashes the distinct actors, sessions and live streams of each UTC hour, to 64 bits by the hash of hash partitioning,
-- which Postgres keeps stable across versions.
-- $1 start, $2 end (timestamptz, half-open)
-- Leans on the partitions' bounds, and for streams on the index (event_type, timestamp).
WITH events AS MATERIALIZED (
    SELECT
        date_bin(INTERVAL '1 hour', timestamp, TIMESTAMPTZ '1970-01-01 00:00+00') AS time,
        hashtextextended(actor_id, 0) AS actor,
        hashtextextended(session_id, 0) AS session,
        CASE WHEN event_type = 'stream' THEN hashtextextended(event_data ->> 'streamId', 0) END AS stream
    FROM analytics_events
    WHERE timestamp >= $1 AND timestamp < $2
), actors AS (
    SELECT time, array_agg(actor) AS hashes FROM (SELECT DISTINCT time, actor FROM events) AS seen GROUP BY time
), sessions AS (
    SELECT time, array_agg(session) AS hashes
    FROM (SELECT DISTINCT time, session FROM events WHERE session IS NOT NULL) AS seen
    GROUP BY time
), streams AS (
    SELECT time, array_agg(stream) AS hashes
    FROM (SELECT DISTINCT time, stream FROM events WHERE stream IS NOT NULL) AS seen
    GROUP BY time
)
SELECT
    time,
    actors.hashes AS actors,
    coalesce(sessions.hashes, '{}') AS sessions,
    coalesce(streams.hashes, '{}') AS streams
FROM actors
LEFT JOIN sessions USING (time)
LEFT JOIN streams USING (time)
