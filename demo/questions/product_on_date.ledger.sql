SELECT store_id, sum(quantity) AS quantity
FROM stock_moves
WHERE product_id = :product AND moved_at < '2017-12-01'
GROUP BY store_id;
