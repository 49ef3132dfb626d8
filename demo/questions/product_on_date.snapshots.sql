SELECT store_id, quantity
FROM stock_on('2017-11-30')
WHERE product_id = :product;
