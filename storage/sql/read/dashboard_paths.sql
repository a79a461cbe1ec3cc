-- Finds the conversion paths with the most purchases, and their revenue by currency.
-- $1 start, $2 end (timestamptz), $3 how many
-- Leans on the index (event_type, timestamp).
WITH purchases AS (
    SELECT
        CAST(event_data -> 'conversionPath' AS text) AS path,
        event_data ->> 'currency' AS currency,
        (event_data -> 'amount')::numeric AS amount
    FROM analytics_events
    WHERE event_type = 'purchase' AND timestamp >= $1::timestamptz AND timestamp < $2::timestamptz
), currencies AS (
    SELECT path, currency, sum(amount) AS amount, count(*) AS orders
    FROM purchases
    WHERE path IS NOT NULL
    GROUP BY path, currency
), paths AS (
    SELECT path, sum(orders) AS orders
    FROM currencies
    GROUP BY path
    ORDER BY orders DESC, path COLLATE "C"
    LIMIT $3::bigint
)
SELECT path, currency, amount, currencies.orders AS orders
FROM paths
JOIN currencies USING (path)
ORDER BY paths.orders DESC, path COLLATE "C", currency
