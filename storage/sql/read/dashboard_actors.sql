-- Counts the actors of a range, and those among them without an earlier event.
-- $1 start, $2 end (timestamptz)
-- Leans on the index (actor_id, timestamp); one pass over all that is older than the end.
WITH events AS (
    SELECT actor_id, timestamp
    FROM analytics_events
    WHERE timestamp < $2
), actors AS (
    SELECT actor_id, min(timestamp) AS first_seen, max(timestamp) AS last_seen
    FROM events
    GROUP BY actor_id
)
SELECT
    count(*) AS users,
    count(*) FILTER (WHERE first_seen >= $1) AS new_users
FROM actors
WHERE last_seen >= $1
