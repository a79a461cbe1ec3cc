-- Reads how many new actors the hours of a range are said to have.
-- $1 start, $2 end (timestamptz, half-open)
-- Leans on the primary key.
SELECT hour, count FROM analytics_new_actors WHERE hour >= $1 AND hour < $2
