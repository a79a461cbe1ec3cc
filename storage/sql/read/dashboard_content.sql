-- Finds the contents with the most views.
-- $1 start, $2 end (timestamptz), $3 how many
-- Leans on the index (event_type, timestamp).
WITH views AS (
    SELECT event_data ->> 'contentType' AS content_type, event_data ->> 'contentId' AS content_id
    FROM analytics_events
    WHERE event_type = 'view' AND timestamp >= $1 AND timestamp < $2
)
SELECT content_type, content_id, count(*) AS views
FROM views
GROUP BY content_type, content_id
ORDER BY views DESC, content_type, content_id
LIMIT $3
