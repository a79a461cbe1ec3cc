-- Appends what a batch added to each hour of events, and counts what became of the batch in the ingest ledger; answers
-- for how many hours of receipt it was counted: fewer than were given when this batch has been committed before.
-- $1 hours (timestamptz[]), $2 event types (text[]), $3 counts (bigint[]), $10 first and $11 last times (timestamptz[]) of
-- the stored events;
-- $4 writer (uuid), $5 number of the batch (bigint); $6 hours of receipt (timestamptz[]),
-- $7 stored, $8 duplicates, $9 rejected (bigint[]) of each
-- Leans on the ledger's primary key; a rival attempt to write the same batch is waited for there.
WITH deltas AS (
    INSERT INTO analytics_aggregation_deltas (hour, event_type, count, first_at, last_at)
    SELECT delta.hour, delta.event_type, delta.count, delta.first_at, delta.last_at
    FROM unnest($1::timestamptz[], $2::text[], $3::bigint[], $10::timestamptz[], $11::timestamptz[])
        AS delta (hour, event_type, count, first_at, last_at)
), counted AS (
    INSERT INTO analytics_ingest_ledger AS ledger (writer_id, hour, last_batch, stored, duplicates, rejected)
    SELECT $4, tally.hour, $5, tally.stored, tally.duplicates, tally.rejected
    FROM unnest($6::timestamptz[], $7::bigint[], $8::bigint[], $9::bigint[])
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
