-- Gives back ids that this transaction has claimed for events that Postgres then refused.
-- $1 ids (uuid[])
-- Leans on the primary key.
DELETE FROM analytics_event_keys
WHERE event_id = ANY ($1::uuid[])
