INSERT INTO stock_moves (store_id, product_id, quantity, moved_at, move_type)
VALUES (:store, :product, 5, '2017-03-03 18:00', 'correction');
