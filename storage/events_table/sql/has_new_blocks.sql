-- Tells whether events came in just now.
-- $1 how long ago at most (interval)
-- Scans the blocks, few and small without their data.
SELECT EXISTS (SELECT FROM analytics_blocks WHERE stored_at > clock_timestamp() - $1::interval)
