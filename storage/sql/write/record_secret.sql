-- Records by which value the secret of this database is known, unless one is recorded.
-- $1 check value (bytea), $2 when (timestamptz), $3 by whom (text)
-- Leans on the primary key, which lets one row in.
INSERT INTO analytics_service_secret (single, check_value, recorded_at, recorded_by)
VALUES (true, $1, $2, $3)
ON CONFLICT (single) DO NOTHING
