-- Sums the amounts of purchases by currency, exactly.
-- $1 start, $2 end (timestamptz)
-- Both figures are sums. Leans on the index (event_type, timestamp).
WITH purchases AS (
    SELECT event_data ->> 'currency' AS currency, (event_data -> 'amount')::numeric AS amount
    FROM analytics_events
    WHERE event_type = 'purchase' AND timestamp >= $1::timestamptz AND timestamp < $2::timestamptz
)
SELECT currency, sum(amount) AS amount, count(*) AS orders
FROM purchases
GROUP BY currency
ORDER BY currency
