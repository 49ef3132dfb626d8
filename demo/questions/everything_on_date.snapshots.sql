SELECT store_id, product_id, quantity
FROM stock_on('2017-11-30');
