-- Claims event ids in the ledger; answers those that were not claimed before, or null where that is all of them.
-- $1 ids (uuid[], sorted, so that concurrent batches wait for each other in one order; of equal ones the first counts),
-- $2 fingerprints (bigint[]), $3 the moment of the claim (timestamptz), the same for all attempts to write one batch
-- Leans on the primary key.
WITH claimed AS (
    INSERT INTO analytics_event_keys (event_id, received_at, fingerprint)
    SELECT claim.event_id, $3, claim.fingerprint
    FROM unnest($1::uuid[], $2::bigint[]) AS claim (event_id, fingerprint)
    ON CONFLICT DO NOTHING
    RETURNING event_id
)
SELECT CASE WHEN count(*) <> cardinality($1) THEN coalesce(array_agg(CAST(event_id AS text)), '{}') END AS fresh
FROM claimed
