SELECT store_id, snapshot_date, closing_quantity
FROM stock_history('2017-01-01', '2017-12-31')
WHERE product_id = :product;
