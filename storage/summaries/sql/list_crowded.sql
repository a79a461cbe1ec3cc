-- Lists the periods whose summaries have many parts, those with the most first.
-- $1 how many are many, $2 how many periods (bigint)
-- Leans on the primary key.
SELECT timeframe, timestamp
FROM analytics_summaries
GROUP BY timeframe, timestamp
HAVING count(*) >= $1::bigint
ORDER BY count(*) DESC, timeframe, timestamp
LIMIT $2::bigint
