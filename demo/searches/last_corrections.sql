SELECT store_id, product_id, quantity, moved_at FROM stock_moves
WHERE move_type = 'correction' ORDER BY moved_at DESC LIMIT 20;
