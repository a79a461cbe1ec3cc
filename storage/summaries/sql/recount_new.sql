-- Counts the first sights of each hour of a range anew.
-- $1 start, $2 end (timestamptz, whole hours, half-open)
-- Leans on the index (first_at) and the primary key of the counts. Whoever does so holds the lock of the horizon.
WITH counted AS (
    SELECT date_bin(INTERVAL '1 hour', first_at, TIMESTAMPTZ '1970-01-01 00:00+00') AS hour, count(*) AS count
    FROM analytics_first_sights
    WHERE first_at >= $1 AND first_at < $2
    GROUP BY hour
), emptied AS (
    DELETE FROM analytics_new_actors AS known
    WHERE hour >= $1 AND hour < $2 AND NOT EXISTS (SELECT FROM counted WHERE counted.hour = known.hour)
)
INSERT INTO analytics_new_actors (hour, count)
SELECT hour, count
FROM counted
ON CONFLICT (hour) DO UPDATE SET count = excluded.count
