-- Lists the hours until some time that have events which their rollups lack, or may have, and how many.
-- $1 end (timestamptz)
-- The queue is short, and read whole.
SELECT hour, CAST(sum(count) AS bigint) AS count
FROM analytics_aggregation_deltas
WHERE hour < $1
GROUP BY hour
