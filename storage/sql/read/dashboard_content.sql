-- Finds the contents with the most views.
-- $1 start, $2 end (timestamptz), $3 how many
-- Leans on the index (event_type, timestamp).
WITH views AS (
    SELECT event_data ->> 'contentType' AS content_type, event_data ->> 'contentId' AS content_id
    FROM analytics_events
    WHERE event_type = 'view' AND timestamp >= $1::timestamptz AND timestamp < $2::timestamptz
)
SELECT content_type, content_id, count(*) AS views
FROM views
GROUP BY content_type, content_id
ORDER BY views DESC, content_type COLLATE "C", content_id COLLATE "C"
LIMIT $3::bigint
