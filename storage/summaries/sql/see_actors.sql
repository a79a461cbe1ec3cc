-- Notes when actors were seen: those who are new, and those who were known only from later on. Keeps the counts of new
-- actors by hour.
-- $1 actors (bigint[]), each once, $2 when each was seen first (timestamptz[])
-- Leans on the primary keys. Whoever does so holds the lock of the horizon.
WITH compared AS MATERIALIZED (
    SELECT seen.actor, seen.first_at, sight.first_at AS known_at
    FROM unnest($1::bigint[], $2::timestamptz[]) AS seen (actor, first_at)
    LEFT JOIN analytics_first_sights AS sight ON sight.actor = seen.actor
    WHERE sight.first_at IS NULL OR seen.first_at < sight.first_at
), saved AS (
    INSERT INTO analytics_first_sights (actor, first_at)
    SELECT actor, first_at
    FROM compared
    ON CONFLICT (actor) DO UPDATE SET first_at = excluded.first_at
), changes AS (
    SELECT date_bin(INTERVAL '1 hour', first_at, TIMESTAMPTZ '1970-01-01 00:00+00') AS hour, 1 AS change
    FROM compared
    UNION ALL
    SELECT date_bin(INTERVAL '1 hour', known_at, TIMESTAMPTZ '1970-01-01 00:00+00'), -1
    FROM compared
    WHERE known_at IS NOT NULL
)
INSERT INTO analytics_new_actors (hour, count)
SELECT hour, sum(change)
FROM changes
GROUP BY hour
HAVING sum(change) <> 0
ON CONFLICT (hour) DO UPDATE SET count = analytics_new_actors.count + excluded.count
