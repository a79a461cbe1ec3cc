-- Records another secret for this database.
-- $1 check value (bytea), $2 when (timestamptz), $3 by whom (text)
-- Leans on the primary key.
INSERT INTO analytics_service_secret (single, check_value, recorded_at, recorded_by)
VALUES (true, $1, $2, $3)
ON CONFLICT (single) DO UPDATE
SET check_value = excluded.check_value,
    recorded_at = excluded.recorded_at,
    recorded_by = excluded.recorded_by
