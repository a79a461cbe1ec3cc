-- Tells how many pages the key ledger has.
SELECT pg_relation_size('analytics_event_keys') / CAST(current_setting('block_size') AS bigint) AS pages
