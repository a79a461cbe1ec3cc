-- Adds to the counts of refused calls.
-- $1 reasons, in their order, so that workers never wait for each other in a circle (text[]), $2 calls (bigint[])
INSERT INTO analytics_refused_calls AS counted (reason, calls)
SELECT given.reason, given.calls FROM unnest($1::text[], $2::bigint[]) AS given (reason, calls)
ON CONFLICT (reason) DO UPDATE SET calls = counted.calls + excluded.calls
