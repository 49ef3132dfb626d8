SELECT product_id, department, product_type FROM products
WHERE product_type = 'BANANAS' ORDER BY product_id;
