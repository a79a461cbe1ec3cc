-- Writes aggregations, in the place of those that are there.
-- $1 timeframes (text[]), $2 first moments (timestamptz[]), $3 event types (text[]), $4 counts (bigint[]), $5 metadata
-- (text[] of JSON)
-- Leans on the primary key.
INSERT INTO analytics_aggregations (timeframe, timestamp, event_type, count, metadata)
SELECT timeframe, timestamp, event_type, count, CAST(metadata AS jsonb)
FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::bigint[], $5::text[])
    AS written (timeframe, timestamp, event_type, count, metadata)
ON CONFLICT (timeframe, timestamp, event_type) DO UPDATE SET count = excluded.count, metadata = excluded.metadata
