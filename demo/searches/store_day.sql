SELECT product_id, quantity, moved_at FROM stock_moves
WHERE store_id = 367 AND moved_at >= '2017-12-24' AND moved_at < '2017-12-25'
ORDER BY moved_at;
