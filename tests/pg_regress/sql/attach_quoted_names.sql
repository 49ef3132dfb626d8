-- Quoted, mixed-case and reserved identifiers everywhere.
CREATE SCHEMA "My Schema";
CREATE SCHEMA "select";
CREATE TABLE "My Schema"."Stock ""Moves""" (
    "user" uuid,
    "Product ID" text,
    "from" int,
    "Lot'No" text,
    "order" numeric,
    "Prix €" numeric,
    "when" timestamptz,
    "table" text
);
INSERT INTO "My Schema"."Stock ""Moves""" VALUES
    ('11111111-1111-1111-1111-111111111111', 'a''b"c', 1, 'x', 2.5, 5, '2024-01-01 00:00+00', 'ok'),
    ('11111111-1111-1111-1111-111111111111', 'a''b"c', 1, 'x', 2.5, 5, '2024-01-01 00:00+00', 'no');
SELECT object, kind FROM inventory_perf.attach_ledger(
    '"My Schema"."Stock ""Moves"""',
    tenant => 'user', product => 'Product ID', location => 'from', dimensions => '{Lot''No}',
    quantity => 'order', value => '"Prix €" * "order"', moved_at => 'when',
    filter => $$"table" = 'ok'$$,
    target_schema => 'select', prefix => 'My "Own" ');
INSERT INTO "My Schema"."Stock ""Moves""" VALUES
    ('11111111-1111-1111-1111-111111111111', 'a''b"c', 1, 'x', -1, 5, '2024-01-02 00:00+00', 'ok');
-- 2.5 (12.5), then -1 (-5)
SELECT * FROM "select"."My ""Own"" daily_stock_snapshots" ORDER BY snapshot_date;
SELECT * FROM "select"."My ""Own"" stock_on"('2024-01-02') WHERE "Product ID" = 'a''b"c';
UPDATE "My Schema"."Stock ""Moves""" SET "Prix €" = 6, "table" = 'ok';
DELETE FROM "My Schema"."Stock ""Moves""" WHERE "order" = -1;
SELECT * FROM "select"."My ""Own"" stock_levels";

CREATE VIEW legs AS
    SELECT "user", "Product ID", "from", "Lot'No", ("when" AT TIME ZONE 'UTC')::date AS day,
           "order" AS quantity, "Prix €" * "order" AS value
    FROM "My Schema"."Stock ""Moves""" WHERE "table" = 'ok';
SELECT * FROM golden.differences('"My Schema"."Stock ""Moves"""', 'legs');
SELECT ledger, deltas_folded > 0 AS folded FROM inventory_perf.populate_daily_stock_snapshots();
SELECT * FROM golden.differences('"My Schema"."Stock ""Moves"""', 'legs');
SELECT ledger, state, target_schema, prefix FROM inventory_perf.ledgers;
SELECT * FROM inventory_perf.stock_on('"My Schema"."Stock ""Moves"""', '2024-01-01', '{"Product ID": "a''b\"c", "from": 1}');
SELECT * FROM inventory_perf.verify_ledger('"My Schema"."Stock ""Moves"""');
SELECT inventory_perf.repair_ledger('"My Schema"."Stock ""Moves"""');
SELECT inventory_perf.rebuild_ledger('"My Schema"."Stock ""Moves"""');
TRUNCATE "My Schema"."Stock ""Moves""";
SELECT count(*) FROM "select"."My ""Own"" stock_levels";
SELECT object, kind, action FROM inventory_perf.detach_ledger('"My Schema"."Stock ""Moves"""', drop_data => true);

-- key columns that are called as the derived columns are
CREATE TABLE clash (quantity int, snapshot_date int, moved_at date, product_id int);
SELECT * FROM inventory_perf.attach_ledger('clash', dimensions => '{snapshot_date}');
