-- Adds rollups.
-- $1 timeframe, $2 whether frozen; $3 periods (timestamptz[]), $4 event types (text[]), $5 counts (bigint[]),
-- $6 metadata (text[] of JSON)
INSERT INTO analytics_aggregations (timeframe, frozen, timestamp, event_type, count, metadata)
SELECT $1, $2, rollup.time, rollup.event_type, rollup.count, CAST(rollup.metadata AS jsonb)
FROM unnest($3::timestamptz[], $4::text[], $5::bigint[], $6::text[]) AS rollup (time, event_type, count, metadata)
