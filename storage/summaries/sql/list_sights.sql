-- Reads the first sights in a range, in microseconds since 1970.
-- $1 start, $2 end (timestamptz, half-open)
-- Leans on the index (first_at).
SELECT actor, CAST(extract(epoch FROM first_at) * 1000000 AS bigint) AS first_us
FROM analytics_first_sights
WHERE first_at >= $1 AND first_at < $2
