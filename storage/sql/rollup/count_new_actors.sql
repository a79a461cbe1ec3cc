-- Counts the first sights of some hours anew.
-- $1 hours (timestamptz[]), each once
-- Leans on the index (first_at) and the primary key of the counts.
WITH counted AS (
    SELECT hour, count(sight.first_at) AS count
    FROM unnest($1::timestamptz[]) AS asked (hour)
    LEFT JOIN analytics_first_sights AS sight
        ON sight.first_at >= hour AND sight.first_at < hour + INTERVAL '1 hour'
    GROUP BY hour
), emptied AS (
    DELETE FROM analytics_new_actors AS known
    USING counted
    WHERE known.hour = counted.hour AND counted.count = 0
)
INSERT INTO analytics_new_actors (hour, count)
SELECT hour, count
FROM counted
WHERE count > 0
ON CONFLICT (hour) DO UPDATE SET count = excluded.count
