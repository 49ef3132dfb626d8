-- A partitioned ledger: rows routed through the parent, written to a leaf directly, moved between
-- partitions, and brought or taken away by ATTACH, DETACH and CREATE TABLE ... PARTITION OF.
CREATE TABLE moves (tenant_id int, product_id int, quantity int, moved_at date) PARTITION BY RANGE (moved_at);
CREATE TABLE moves_2023 PARTITION OF moves FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE moves_2024 PARTITION OF moves FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')
    PARTITION BY LIST (tenant_id);
CREATE TABLE moves_2024_1 PARTITION OF moves_2024 FOR VALUES IN (1);
-- a leaf with its columns in another order, and a dropped one
CREATE TABLE moves_2024_2 (gone text, quantity int, moved_at date, product_id int, tenant_id int);
ALTER TABLE moves_2024_2 DROP COLUMN gone;
ALTER TABLE moves_2024 ATTACH PARTITION moves_2024_2 FOR VALUES IN (2);
INSERT INTO moves VALUES (1, 1, 100, '2023-12-31'), (1, 1, -10, '2024-01-01'), (2, 1, 7, '2024-01-01');

SELECT object, kind FROM inventory_perf.attach_ledger('moves');
SELECT * FROM daily_stock_snapshots ORDER BY tenant_id, product_id, snapshot_date;
CREATE VIEW legs AS SELECT tenant_id, product_id, moved_at AS day, quantity FROM moves;

-- through the parent, through a middle one, to a leaf
INSERT INTO moves VALUES (1, 1, 1, '2024-02-01'), (2, 1, 2, '2024-02-01'), (1, 1, 4, '2023-02-01');
INSERT INTO moves_2024 VALUES (1, 1, 8, '2024-02-01'), (2, 1, 16, '2024-02-01');
INSERT INTO moves_2024_2 (tenant_id, product_id, quantity, moved_at) VALUES (2, 1, 32, '2024-02-01');
UPDATE moves_2024_2 SET quantity = 33 WHERE quantity = 32;
DELETE FROM moves_2023 WHERE quantity = 4;
SELECT * FROM golden.differences('moves', 'legs');
-- between partitions
UPDATE moves SET moved_at = '2023-06-01' WHERE quantity = 33;
UPDATE moves_2024 SET tenant_id = 2 WHERE quantity = 8;
SELECT * FROM golden.differences('moves', 'legs');
SELECT tenant_id, quantity_on_hand FROM stock_levels ORDER BY 1;
COPY moves FROM STDIN;
1	1	64	2023-03-03
2	1	128	2024-03-03
\.
SELECT tenant_id, quantity_on_hand FROM stock_levels ORDER BY 1;

-- a partition created later
CREATE TABLE moves_2025 PARTITION OF moves FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
INSERT INTO moves VALUES (1, 1, 256, '2025-05-05');
INSERT INTO moves_2025 VALUES (1, 1, 512, '2025-05-06');
SELECT tenant_id, quantity_on_hand, last_moved_on FROM stock_levels ORDER BY 1;
SELECT * FROM golden.differences('moves', 'legs');

-- a partition attached with rows in it
CREATE TABLE moves_2026 (LIKE moves);
INSERT INTO moves_2026 VALUES (3, 1, 1024, '2026-01-01'), (1, 1, 2048, '2026-01-02');
ALTER TABLE moves ATTACH PARTITION moves_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
SELECT tenant_id, quantity_on_hand, last_moved_on FROM stock_levels ORDER BY 1;
INSERT INTO moves_2026 VALUES (3, 1, 1, '2026-01-03');
SELECT * FROM golden.differences('moves', 'legs');

-- a partition detached: its rows are the ledger's no more, nor is what is written to it later
ALTER TABLE moves DETACH PARTITION moves_2026;
INSERT INTO moves_2026 VALUES (3, 1, 4096, '2026-01-03');
SELECT tenant_id, quantity_on_hand, last_moved_on FROM stock_levels ORDER BY 1;
SELECT * FROM golden.differences('moves', 'legs');
-- and attached again
ALTER TABLE moves ATTACH PARTITION moves_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
SELECT * FROM golden.differences('moves', 'legs');
SELECT * FROM inventory_perf.verify_ledger('moves');

-- a sub-tree
CREATE TABLE moves_2027 (LIKE moves) PARTITION BY LIST (tenant_id);
CREATE TABLE moves_2027_1 PARTITION OF moves_2027 FOR VALUES IN (1);
INSERT INTO moves_2027 VALUES (1, 2, 5, '2027-01-01');
ALTER TABLE moves ATTACH PARTITION moves_2027 FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');
INSERT INTO moves_2027_1 VALUES (1, 2, 6, '2027-01-02');
SELECT * FROM golden.differences('moves', 'legs');

-- a partition with rows is detached before it is dropped
DROP TABLE moves_2026;
SELECT * FROM golden.differences('moves', 'legs');
ALTER TABLE moves DETACH PARTITION moves_2026;
DROP TABLE moves_2026;
SELECT * FROM golden.differences('moves', 'legs');

-- TRUNCATE of a leaf, of a middle one, of all
TRUNCATE moves_2024_1;
SELECT * FROM golden.differences('moves', 'legs');
TRUNCATE moves_2027;
SELECT * FROM golden.differences('moves', 'legs');
SELECT deltas_folded > 0 AS folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
SELECT * FROM golden.differences('moves', 'legs');
TRUNCATE moves;
SELECT count(*) FROM stock_levels;
INSERT INTO moves VALUES (1, 1, 1, '2024-02-01');
SELECT * FROM golden.differences('moves', 'legs');

-- detached from the extension, no partition keeps a trigger
SELECT count(*) > 0 AS detached FROM inventory_perf.detach_ledger('moves', drop_data => true);
SELECT count(*) FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid WHERE c.relname LIKE 'moves%';
