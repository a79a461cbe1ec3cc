-- Stores a block and counts what became of its batch in the ingest ledger; answers for how many hours of receipt it was
-- counted: fewer than were given when this batch has been committed before.
-- $1 id of the block (uuid), $2 format (smallint), $3 rows (integer; 0: there is no block), $4 first and $5 last time
-- (timestamptz), $6 data (bytea); $7 writer (uuid), $8 number of the batch (bigint); $9 hours of receipt (timestamptz[]),
-- $10 stored, $11 duplicates, $12 rejected (bigint[]) of each
-- Leans on the ledger's primary key; a rival attempt to write the same batch is waited for there.
WITH block AS (
    INSERT INTO analytics_blocks (id, format, rows, first_at, last_at, data)
    SELECT $1::uuid, $2::smallint, $3::integer, $4::timestamptz, $5::timestamptz, $6::bytea
    WHERE $3::integer > 0
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
