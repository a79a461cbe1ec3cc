-- Finds which of some ids were claimed by an earlier attempt to write the same batch, whose commit went unanswered.
-- $1 ids (uuid[]), $2 the moment of the claim (timestamptz)
-- Leans on the primary key.
SELECT CAST(event_id AS text)
FROM analytics_event_keys
WHERE event_id = ANY ($1::uuid[]) AND received_at = $2
