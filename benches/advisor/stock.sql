-- A stock ledger: {moves} movements between locations over two years, skewed towards few products.

CREATE FUNCTION skewed(choices integer, power double precision) RETURNS integer
LANGUAGE sql VOLATILE AS 'SELECT (choices * pg_catalog.random() ^ power)::integer % choices';

CREATE TABLE products (
    id integer PRIMARY KEY, sku text NOT NULL, name text NOT NULL, category_id integer NOT NULL,
    active boolean NOT NULL, sellable boolean NOT NULL, reorder_level integer NOT NULL);
CREATE TABLE stock_moves (
    id bigint PRIMARY KEY, product_id integer NOT NULL, kind text NOT NULL, state text NOT NULL,
    from_location integer NOT NULL, to_location integer NOT NULL, quantity integer NOT NULL,
    remaining integer NOT NULL, unit_cost numeric(12,2) NOT NULL, moved_at timestamptz NOT NULL);
CREATE TABLE levels (
    product_id integer NOT NULL, location_id integer NOT NULL, quantity integer NOT NULL,
    PRIMARY KEY (product_id, location_id));

SELECT setseed(0.42);

INSERT INTO products
SELECT id, 'SKU-' || lpad(id::text, 8, '0'), 'Product ' || md5(id::text), 1 + skewed(200, 2),
       random() < 0.7, random() < 0.2, 5 + skewed(50, 2)
FROM generate_series(1, {moves} / 20) AS id;
INSERT INTO levels
SELECT id, location, skewed(2000, 1.5)
FROM products, generate_series(1, 5) AS location;
INSERT INTO stock_moves
SELECT id, 1 + skewed({moves} / 20, 2),
       (ARRAY['delivery', 'transfer', 'receipt', 'adjustment'])[1 + skewed(4, 1.5)],
       CASE WHEN random() < 0.95 THEN 'done' ELSE 'draft' END,
       1 + skewed(40, 1.5), 1 + skewed(40, 1.5), 1 + skewed(100, 2),
       CASE WHEN random() < 0.03 THEN 1 + skewed(100, 2) ELSE 0 END, random() * 100,
       timestamptz '2024-01-01' + interval '730 days' * (id::float8 / {moves})
FROM generate_series(1, {moves}) AS id;
