-- Stores a small batch whose ids nobody has claimed, in one round trip: keys, block and ledger. A claimed id fails it.
-- $1 to $12 as in record.sql; $13 ids (uuid[], sorted), $14 fingerprints (bigint[]), $15 moment of the claim (timestamptz)
-- Leans on the primary keys of the key ledger and of the ingest ledger.
WITH claimed AS (
    INSERT INTO analytics_event_keys (event_id, received_at, fingerprint)
    SELECT claim.event_id, $15::timestamptz, claim.fingerprint
    FROM unnest($13::uuid[], $14::bigint[]) AS claim (event_id, fingerprint)
), block AS (
    INSERT INTO analytics_blocks (id, format, rows, first_at, last_at, data)
    VALUES ($1::uuid, $2::smallint, $3::integer, $4::timestamptz, $5::timestamptz, $6::bytea)
), counted AS (
    INSERT INTO analytics_ingest_ledger AS ledger (writer_id, hour, last_batch, stored, duplicates, rejected)
    SELECT $7::uuid, tally.hour, $8::bigint, tally.stored, tally.duplicates, tally.rejected
    FROM unnest($9::timestamptz[], $10::bigint[], $11::bigint[], $12::bigint[])
        AS tally (hour, stored, duplicates, rejected)
    ON CONFLICT (writer_id, hour) DO UPDATE
    SET last_batch = excluded.last_batch,
        stored = ledger.stored + excluded.stored,
        duplicates = ledger.duplicates + excluded.duplicates,
        rejected = ledger.rejected + excluded.rejected
    WHERE ledger.last_batch < excluded.last_batch
    RETURNING ledger.hour
)
SELECT count(*) AS hours FROM counted
