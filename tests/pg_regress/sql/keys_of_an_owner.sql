-- Code in the types of a ledger's keys runs as the ledger's owner, whoever passes or reads a key.
CREATE ROLE keys_owner;
CREATE SCHEMA keyed AUTHORIZATION keys_owner;
SET ROLE keys_owner;
CREATE FUNCTION keyed.seen(place text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
$$ BEGIN IF current_user <> 'keys_owner' THEN RAISE WARNING '% as %', place, current_user; END IF; RETURN true; END $$;
CREATE DOMAIN keyed.code AS text CHECK (keyed.seen('domain') AND length(VALUE) < 5);
CREATE TYPE keyed.grade AS ENUM ('a', 'b');
CREATE FUNCTION keyed.to_json(keyed.grade) RETURNS json LANGUAGE plpgsql IMMUTABLE AS
$$ BEGIN PERFORM keyed.seen('cast to json'); RETURN pg_catalog.to_json('a'::text); END $$;
CREATE CAST (keyed.grade AS json) WITH FUNCTION keyed.to_json(keyed.grade);
CREATE TABLE keyed.moves (code keyed.code, grade keyed.grade, product_id integer, quantity integer, moved_at date);
INSERT INTO keyed.moves VALUES ('c1', 'a', 1, 5, '2024-01-05'), ('c2', 'b', 1, 7, '2024-01-06');
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('keyed.moves', dimensions => '{code,grade}');
SELECT inventory_perf.invalidate_on_change('keyed.moves');
RESET ROLE;
SELECT inventory_perf.alert_low_stock('keyed.moves', 6, '{"code": "c1", "grade": "a"}');
SELECT key, threshold FROM inventory_perf.low_stock_thresholds;
SELECT * FROM inventory_perf.stock_on('keyed.moves', '2024-02-01', '{"code": "c1"}');
SELECT * FROM inventory_perf.stock_history('keyed.moves', '2024-01-05', '2024-01-05', '{"grade": "a"}');
SELECT key, closing_quantity FROM inventory_perf.stock_period('keyed.moves', '2024-01-01', '2024-01-31') ORDER BY key;
SELECT * FROM inventory_perf.stock_on('keyed.moves', '2024-02-01', '{"code": "too long"}');
SELECT * FROM inventory_perf.verify_ledger('keyed.moves');
-- and so does what the owner makes of a function beside the ledger
SET ROLE keys_owner;
CREATE OR REPLACE FUNCTION keyed.stock_on(as_of date) RETURNS TABLE (product_id integer, code keyed.code, grade keyed.grade, quantity numeric)
LANGUAGE plpgsql AS $$ BEGIN PERFORM keyed.seen('stock_on()'); END $$;
RESET ROLE;
SELECT proname, prosrc FROM pg_proc WHERE oid = 'keyed.stock_on(date)'::regprocedure AND prolang <> 14;
SELECT * FROM inventory_perf.stock_on('keyed.moves', '2024-02-01');
SET client_min_messages = error;
DROP SCHEMA keyed CASCADE;
DROP ROLE keys_owner;
