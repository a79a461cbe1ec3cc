-- Tells what the ledger knows of some ids: the fingerprint of the event, and the moment of its claim.
-- $1 ids (uuid[])
-- Leans on the primary key.
SELECT CAST(event_id AS text) AS event_id, received_at, fingerprint
FROM analytics_event_keys
WHERE event_id = ANY ($1::uuid[])
