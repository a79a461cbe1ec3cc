-- Lists the tables of months in which no segment of the catalogue lies.
SELECT month.tablename AS name
FROM pg_tables AS month
WHERE month.schemaname = current_schema()
    AND month.tablename ~ '^analytics_segment_parts_top_[0-9]+$'
    AND NOT EXISTS (
        SELECT FROM analytics_segments AS segment
        WHERE segment.place LIKE 'postgres:' || substr(month.tablename, length('analytics_segment_parts_') + 1) || '/%'
    )
ORDER BY month.tablename
