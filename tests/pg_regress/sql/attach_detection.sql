-- What is detected by column names, and what is not: only an unambiguous match is taken.
-- no tenant, no location: one key column
CREATE TABLE sales (sku text, qty integer, sold_at timestamp, moved_on date);
SELECT object, kind FROM inventory_perf.attach_ledger('sales');
INSERT INTO sales VALUES ('A-1', 3, '2024-01-01', '2024-02-01'), ('A-1', -1, '2024-01-01', '2024-02-02');
SELECT * FROM daily_stock_snapshots ORDER BY sku, snapshot_date;
SELECT object, kind, action FROM inventory_perf.detach_ledger('sales', drop_data => true);

-- two candidates for the product
CREATE TABLE two_products (product_id int, item_id int, quantity int, moved_at date);
SELECT * FROM inventory_perf.attach_ledger('two_products');
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('two_products', product => 'item_id');
SELECT count(*) FROM daily_stock_snapshots WHERE item_id = 1;
SELECT count(*) > 0 AS detached FROM inventory_perf.detach_ledger('two_products', drop_data => true);

-- two candidates for the tenant, the location, the quantity, the day
CREATE TABLE two_tenants (tenant_id int, company_id int, product_id int, quantity int, moved_at date);
SELECT * FROM inventory_perf.attach_ledger('two_tenants');
CREATE TABLE two_locations (product_id int, warehouse_id int, bin_id int, quantity int, moved_at date);
SELECT * FROM inventory_perf.attach_ledger('two_locations');
CREATE TABLE two_quantities (product_id int, quantity int, qty int, moved_at date);
SELECT * FROM inventory_perf.attach_ledger('two_quantities');
CREATE TABLE two_days (product_id int, quantity int, moved_at date, posting_date date);
SELECT * FROM inventory_perf.attach_ledger('two_days');
-- a pair of sides and another location
CREATE TABLE sides_and_location (product_id int, from_location_id int, to_location_id int, store_id int, quantity int, moved_at date);
SELECT * FROM inventory_perf.attach_ledger('sides_and_location');

-- no candidate at all
CREATE TABLE no_product (thing int, quantity int, moved_at date);
SELECT * FROM inventory_perf.attach_ledger('no_product');
CREATE TABLE no_quantity (product_id int, how_many int, moved_at date);
SELECT * FROM inventory_perf.attach_ledger('no_quantity');
CREATE TABLE no_day (product_id int, quantity int, moved_at text);
SELECT * FROM inventory_perf.attach_ledger('no_day');
-- one side of two
CREATE TABLE one_side (product_id int, from_location_id int, quantity int, moved_at date);
SELECT * FROM inventory_perf.attach_ledger('one_side', from_location => 'from_location_id');
SELECT * FROM inventory_perf.attach_ledger('sides_and_location',
    location => 'store_id', from_location => 'from_location_id', to_location => 'to_location_id');

-- created_at is the day only when there is nothing better
CREATE TABLE created (product_id int, quantity int, created_at timestamp);
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('created');
INSERT INTO created VALUES (1, 5, '2024-03-09 23:59');
SELECT * FROM stock_levels;
SELECT count(*) > 0 AS detached FROM inventory_perf.detach_ledger('created', drop_data => true);

-- nothing of a refused attach stays
SELECT * FROM inventory_perf.ledgers;
SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname LIKE '%stock%' ORDER BY 1;
