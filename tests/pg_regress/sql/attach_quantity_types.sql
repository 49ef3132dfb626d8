-- Quantities of every numeric type; sums are numeric, whatever the type.
SET client_min_messages = warning;
CREATE DOMAIN pieces AS integer CHECK (value BETWEEN -1000 AND 1000);
CREATE FUNCTION try(type text, VARIADIC quantities text[]) RETURNS TABLE (quantity_type text, closing numeric, level_type text)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TABLE moves (product_id int, quantity %s, moved_at date)', type);
    PERFORM inventory_perf.attach_ledger('moves');
    EXECUTE format('INSERT INTO moves SELECT 1, q::%s, ''2024-01-01'' FROM unnest($1) AS q', type) USING quantities;
    PERFORM inventory_perf.populate_daily_stock_snapshots('moves');
    EXECUTE format('INSERT INTO moves SELECT 1, -q::%s, ''2024-01-02'' FROM unnest($1) AS q', type) USING quantities[1:1];
    RETURN QUERY EXECUTE $q$SELECT $1, quantity_on_hand, pg_typeof(quantity_on_hand)::text FROM stock_levels$q$ USING type;
    IF EXISTS (SELECT FROM inventory_perf.verify_ledger('moves')) THEN
        RAISE 'verify_ledger finds differences for %', type;
    END IF;
    PERFORM inventory_perf.detach_ledger('moves', drop_data => true);
    DROP TABLE moves;
END $$;

-- the sum of all but the first
SELECT * FROM try('smallint', '32767', '32767', '32767');
SELECT * FROM try('integer', '2147483647', '2147483647', '2147483647');
SELECT * FROM try('bigint', '9223372036854775807', '9223372036854775807', '9223372036854775807');
SELECT * FROM try('pieces', '1000', '1000', '1');
SELECT * FROM try('numeric', '0.1', '0.2', '0.0000000000000000000000000001');
SELECT * FROM try('numeric(12,3)', '123456789.125', '0.001', '-0.002');
SELECT * FROM try('numeric(3,-2)', '100', '1200', '-300');
-- beyond 128 bits, and with more digits after the point than any fixed point has
SELECT * FROM try('numeric', '1e50', '1e60', '1e-60');
SELECT * FROM try('numeric', '170141183460469231731687303715884105727', '170141183460469231731687303715884105727', '170141183460469231731687303715884105727');

-- binary floating point is summed exactly in decimal, with a warning
SELECT * FROM try('float8', '0.1', '0.2', '0.3');
SELECT * FROM try('real', '0.1', '0.2', '0.3');
SELECT * FROM try('float8', '1e15', '0.5', '0.000000001');

-- refused
CREATE TABLE priced (product_id int, quantity money, moved_at date);
SELECT * FROM inventory_perf.attach_ledger('priced');
CREATE TABLE yes_no (product_id int, quantity boolean, moved_at date);
SELECT * FROM inventory_perf.attach_ledger('yes_no');
CREATE TABLE elapsed (product_id int, quantity interval, moved_at date);
SELECT * FROM inventory_perf.attach_ledger('elapsed');
