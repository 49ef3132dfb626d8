WITH daily AS (
    SELECT store_id, (moved_at AT TIME ZONE 'UTC')::date AS day, sum(quantity) AS change
    FROM stock_moves
    WHERE product_id = :product AND moved_at < '2018-01-01'
    GROUP BY store_id, day
), calendar AS (
    SELECT store_id, day::date
    FROM (SELECT DISTINCT store_id FROM daily) AS stores,
         generate_series(timestamp '2017-01-01', '2017-12-31', '1 day') AS day
), running AS (
    SELECT store_id, day,
           sum(change) OVER (PARTITION BY store_id ORDER BY day) AS closing_quantity
    FROM calendar FULL JOIN daily USING (store_id, day)
)
SELECT store_id, day AS snapshot_date, coalesce(closing_quantity, 0) AS closing_quantity
FROM running
WHERE day >= '2017-01-01';
