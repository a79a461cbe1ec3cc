-- Counts the actors of a range and of the one before it, and those among them who gave neither user nor session.
-- $1 previous range's start, $2 start, $3 end (timestamptz)
-- Leans on the partitions' bounds; every row of both ranges is read.
WITH events AS (
    SELECT actor_id, user_id IS NULL AND session_id IS NULL AS anonymous, timestamp >= $2::timestamptz AS is_current
    FROM analytics_events
    WHERE timestamp >= $1::timestamptz AND timestamp < $3::timestamptz
), actors AS (
    SELECT
        actor_id,
        bool_or(is_current) AS came,
        bool_or(NOT is_current) AS came_before,
        bool_or(anonymous) AS anonymous
    FROM events
    GROUP BY actor_id
)
SELECT
    count(*) FILTER (WHERE came) AS users,
    count(*) FILTER (WHERE came AND anonymous) AS anonymous,
    count(*) FILTER (WHERE came_before) AS previous_users,
    count(*) FILTER (WHERE came_before AND anonymous) AS previous_anonymous
FROM actors
