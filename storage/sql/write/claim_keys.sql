-- Claims event ids in the ledger; answers those that were not claimed before.
-- $1 ids (uuid[], sorted, so that concurrent batches wait for each other in one order), $2 fingerprints (bigint[]),
-- $3 the moment of the claim (timestamptz), the same for all attempts to write one batch
-- Leans on the primary key.
INSERT INTO analytics_event_keys (event_id, received_at, fingerprint)
SELECT claim.event_id, $3, claim.fingerprint
FROM unnest($1::uuid[], $2::bigint[]) AS claim (event_id, fingerprint)
ON CONFLICT DO NOTHING
RETURNING CAST(event_id AS text)
