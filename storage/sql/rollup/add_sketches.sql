-- Adds sketches.
-- $1 timeframe, $2 whether frozen; $3 periods (timestamptz[]), $4 registers of actors, $5 of sessions, $6 of live
-- streams (bytea[]), packed
INSERT INTO analytics_distinct_sketches (timeframe, frozen, timestamp, actors, sessions, streams)
SELECT $1, $2, sketch.time, sketch.actors, sketch.sessions, sketch.streams
FROM unnest($3::timestamptz[], $4::bytea[], $5::bytea[], $6::bytea[]) AS sketch (time, actors, sessions, streams)
