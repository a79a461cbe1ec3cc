-- Counts the sessions with an event in a range, and adds up their lengths in microseconds.
-- $1 start, $2 end (timestamptz)
-- Events with a session id belong to the session of that id. Others belong to their actor's session until 30 minutes
-- pass without one; such a session is cut every 24 hours from its first event. Events of one half of an hour are never
-- 30 minutes apart, so halves are what the windows go over.
-- Leans on the partitions' bounds.
WITH identified AS (
    SELECT min(timestamp) AS first_at, max(timestamp) AS last_at, 1 AS sessions
    FROM analytics_events
    WHERE timestamp >= $1::timestamptz AND timestamp < $2::timestamptz AND session_id IS NOT NULL
    GROUP BY session_id
), halves AS (
    SELECT actor_id, min(timestamp) AS first_at, max(timestamp) AS last_at
    FROM analytics_events
    WHERE timestamp >= $1::timestamptz AND timestamp < $2::timestamptz AND session_id IS NULL
    GROUP BY actor_id, date_bin(INTERVAL '30 minutes', timestamp, TIMESTAMPTZ '1970-01-01 00:00:00+00')
), neighbours AS (
    SELECT
        actor_id, first_at, last_at,
        lag(last_at) OVER (PARTITION BY actor_id ORDER BY first_at) AS active_until
    FROM halves
), numbered AS (
    SELECT
        actor_id, first_at, last_at,
        count(*) FILTER (WHERE active_until IS NULL OR first_at >= active_until + INTERVAL '30 minutes')
            OVER (PARTITION BY actor_id ORDER BY first_at) AS number
    FROM neighbours
), inferred AS (
    SELECT min(first_at) AS first_at, max(last_at) AS last_at
    FROM numbered
    GROUP BY actor_id, number
), sessions AS (
    SELECT first_at, last_at, sessions
    FROM identified
    UNION ALL
    SELECT first_at, last_at, 1 + CAST(floor(date_part('epoch', last_at - first_at) / 86400) AS bigint)
    FROM inferred
)
SELECT
    CAST(coalesce(sum(sessions), 0) AS bigint) AS sessions,
    CAST(coalesce(sum(CAST(round(1000000 * date_part('epoch', last_at - first_at)) AS bigint)), 0) AS bigint) AS length_us
FROM sessions
