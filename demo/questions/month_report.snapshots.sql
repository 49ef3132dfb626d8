SELECT store_id, product_id, opening_quantity, in_quantity, out_quantity, closing_quantity,
       move_count
FROM stock_period('2017-11-01', '2017-11-30');
