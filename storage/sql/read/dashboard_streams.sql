-- Counts live streams, and adds up their viewers and what was watched, in seconds.
-- $1 start, $2 end (timestamptz)
-- All but the number of streams add up over ranges, or are maxima.
-- Leans on the index (event_type, timestamp).
WITH streams AS (
    SELECT
        event_data ->> 'streamId' AS stream_id,
        (event_data -> 'viewerCount')::numeric AS viewers,
        (event_data -> 'watchDuration')::numeric AS watched
    FROM analytics_events
    WHERE event_type = 'stream' AND timestamp >= $1::timestamptz AND timestamp < $2::timestamptz
)
SELECT
    count(DISTINCT stream_id) AS live_streams,
    max(viewers) AS peak_viewers,
    count(viewers) AS viewer_counts,
    sum(viewers) AS viewers,
    coalesce(sum(watched), 0) AS watch_duration
FROM streams
