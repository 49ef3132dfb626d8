SELECT store_id, product_id, sum(quantity) AS quantity
FROM stock_moves
WHERE moved_at < '2017-12-01'
GROUP BY product_id, store_id;  -- the index is in this order, so nothing is sorted
