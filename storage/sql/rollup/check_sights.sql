-- Counts by hour the actors whose first sight is not what the raw events of a range tell, and the first sights that are
-- counted and that there are.
-- $1 start, $2 end (timestamptz, half-open), $3 the hours to look at, $4 those of them of which all events are there
-- (timestamptz[])
-- Leans on the partitions' bounds, and on the primary key and the index (first_at) of the first sights.
WITH seen AS MATERIALIZED (
    SELECT
        date_bin(INTERVAL '1 hour', timestamp, TIMESTAMPTZ '1970-01-01 00:00+00') AS hour,
        hashtextextended(actor_id, 0) AS actor,
        min(timestamp) AS first_at
    FROM analytics_events
    WHERE timestamp >= $1 AND timestamp < $2 AND (user_id IS NOT NULL OR session_id IS NOT NULL)
    GROUP BY hour, actor
), sights AS MATERIALIZED (
    SELECT date_bin(INTERVAL '1 hour', first_at, TIMESTAMPTZ '1970-01-01 00:00+00') AS hour, actor, first_at
    FROM analytics_first_sights
    WHERE first_at >= $1 AND first_at < $2
), wrong AS (
    SELECT seen.hour
    FROM seen
    LEFT JOIN analytics_first_sights AS sight ON sight.actor = seen.actor
    WHERE sight.first_at IS NULL OR sight.first_at > seen.first_at
    UNION ALL
    SELECT hour
    FROM sights
    WHERE hour = ANY ($4::timestamptz[])
        AND (hour, actor, first_at) NOT IN (SELECT hour, actor, first_at FROM seen)
), wrong_counts AS (
    SELECT hour, count(*) AS wrong FROM wrong GROUP BY hour
), counts AS (
    SELECT hour, count(*) AS sights FROM sights GROUP BY hour
)
SELECT
    asked.hour,
    coalesce(wrong, 0) AS wrong,
    coalesce(sights, 0) AS sights,
    coalesce(known.count, 0) AS counted
FROM unnest($3::timestamptz[]) AS asked (hour)
LEFT JOIN wrong_counts USING (hour)
LEFT JOIN counts USING (hour)
LEFT JOIN analytics_new_actors AS known USING (hour)
WHERE coalesce(wrong, 0) > 0 OR coalesce(sights, 0) <> coalesce(known.count, 0)
ORDER BY asked.hour
