-- Adds a key.
-- $1 id, $2 kind (text), $3 SHA-256 of its text (bytea), $4 name (text), $5 scopes, $6 origins, $7 event types (text[]),
-- $8 rule of user ids (text), $9 events a second (int), $10 events a day (bigint), $11 concurrent reports (int),
-- $12 time of creation, $13 time of expiry (timestamptz)
INSERT INTO analytics_keys
    (id, kind, hash, name, scopes, origins, event_types, user_ids, events_per_second, daily_events,
     concurrent_reports, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
