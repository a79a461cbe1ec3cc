-- Adds sketches.
-- $1 timeframe, $2 whether frozen; $3 periods (timestamptz[]), $4 registers of actors, $5 of sessions (bytea[])
INSERT INTO analytics_distinct_sketches (timeframe, frozen, timestamp, actors, sessions)
SELECT $1, $2, sketch.time, sketch.actors, sketch.sessions
FROM unnest($3::timestamptz[], $4::bytea[], $5::bytea[]) AS sketch (time, actors, sessions)
