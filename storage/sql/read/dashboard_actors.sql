-- Counts the actors of a range and of the one before it, and those among them without an earlier event.
-- $1 previous range's start, $2 start, $3 end (timestamptz)
-- Distinct actors do not add up, so no rollup answers this: one pass over all that is older than the end. Leans on the
-- index (actor_id, timestamp) where its pages are known to be all visible.
WITH events AS (
    SELECT actor_id, timestamp
    FROM analytics_events
    WHERE timestamp < $3::timestamptz
), actors AS (
    SELECT
        actor_id,
        bool_or(timestamp < $1::timestamptz) AS came_earlier,
        bool_or(timestamp >= $1::timestamptz AND timestamp < $2::timestamptz) AS came_before,
        bool_or(timestamp >= $2::timestamptz) AS came
    FROM events
    GROUP BY actor_id
)
SELECT
    count(*) FILTER (WHERE came) AS users,
    count(*) FILTER (WHERE came AND NOT came_before AND NOT came_earlier) AS new_users,
    count(*) FILTER (WHERE came_before) AS previous_users,
    count(*) FILTER (WHERE came_before AND NOT came_earlier) AS previous_new_users
FROM actors
