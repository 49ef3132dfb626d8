SELECT store_id, product_id,
       coalesce(sum(quantity) FILTER (WHERE moved_at < '2017-11-01'), 0) AS opening_quantity,
       coalesce(sum(quantity) FILTER (WHERE moved_at >= '2017-11-01' AND quantity > 0), 0)
           AS in_quantity,
       coalesce(-sum(quantity) FILTER (WHERE moved_at >= '2017-11-01' AND quantity < 0), 0)
           AS out_quantity,
       sum(quantity) AS closing_quantity,
       count(*) FILTER (WHERE moved_at >= '2017-11-01') AS move_count
FROM stock_moves
WHERE moved_at < '2017-12-01'
GROUP BY product_id, store_id;  -- the index is in this order, so nothing is sorted
