-- Finds the actors whose first event, of all that are not folded, is earlier than what is known of them.
-- $1 start, $2 end (timestamptz, half-open)
-- Leans on the partitions' bounds, and on the primary key of the first sights.
WITH seen AS (
    SELECT hashtextextended(actor_id, 0) AS actor, min(timestamp) AS first_at
    FROM analytics_events
    WHERE timestamp >= $1 AND timestamp < $2 AND (user_id IS NOT NULL OR session_id IS NOT NULL)
    GROUP BY actor
)
SELECT actor, seen.first_at, sight.first_at AS known_at
FROM seen
LEFT JOIN analytics_first_sights AS sight USING (actor)
WHERE sight.first_at IS NULL OR seen.first_at < sight.first_at
