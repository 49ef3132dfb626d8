-- Invalidation by name: rows of the outbox, with the transaction.
CREATE VIEW told AS
    SELECT keys, tags, patterns, flush FROM inventory_perf.cache_outbox ORDER BY ctid;
SELECT inventory_perf.invalidate_keys('stock:1', 'stock:2', 'stock:1');
SELECT inventory_perf.cache_delete('it''s "quoted", {braced} and é');
SELECT inventory_perf.invalidate_tags('a', 'b', '');
SELECT inventory_perf.invalidate_pattern('stock:*');
SELECT inventory_perf.cache_flush();
TABLE told;
-- nothing comes of nothing, or of what is rolled back
SELECT inventory_perf.invalidate_keys(VARIADIC '{}'), inventory_perf.invalidate_tags(VARIADIC '{}');
BEGIN;
SELECT inventory_perf.invalidate_keys('rolled back');
SAVEPOINT a;
SELECT inventory_perf.invalidate_tags('rolled back');
ROLLBACK TO a;
SELECT count(*) FROM told;
ROLLBACK;
BEGIN;
SAVEPOINT a;
SELECT inventory_perf.invalidate_keys('undone');
ROLLBACK TO a;
SELECT inventory_perf.invalidate_keys('kept');
COMMIT;
SELECT keys, flush FROM told OFFSET 5;
-- a long list takes several rows
SET inventory_perf.outbox_keys_limit = 400;
SELECT inventory_perf.invalidate_keys(VARIADIC array_agg('long:' || n)) FROM generate_series(1, 1000) AS n;
SELECT cardinality(keys) AS keys, keys[1] AS first FROM told OFFSET 6;
RESET inventory_perf.outbox_keys_limit;
-- errors
SELECT inventory_perf.invalidate_keys('a', NULL);
SELECT inventory_perf.invalidate_keys(VARIADIC NULL);
SELECT inventory_perf.invalidate_tags(NULL);
SELECT inventory_perf.invalidate_pattern(NULL);
SELECT inventory_perf.invalidate_keys('inventory_perf:postgres:epoch');
SELECT inventory_perf.cache_delete('inventory_perf:');
BEGIN READ ONLY;
SELECT inventory_perf.invalidate_keys('a');
ROLLBACK;
-- whoever may call them needs no right on the outbox
CREATE ROLE cache_caller;
SET ROLE cache_caller;
SELECT inventory_perf.invalidate_keys('a');
SELECT inventory_perf.cache_flush();
RESET ROLE;
GRANT EXECUTE ON FUNCTION inventory_perf.invalidate_keys(text[]) TO cache_caller;
SET ROLE cache_caller;
SELECT inventory_perf.invalidate_keys('by the caller');
SELECT count(*) FROM inventory_perf.cache_outbox;
RESET ROLE;
SELECT keys FROM told OFFSET 9;
REVOKE ALL ON FUNCTION inventory_perf.invalidate_keys(text[]) FROM cache_caller;
DROP ROLE cache_caller;
-- an index that the owner put on the outbox is kept
TRUNCATE inventory_perf.cache_outbox;
CREATE INDEX cache_outbox_by_keys ON inventory_perf.cache_outbox (flush);
SELECT inventory_perf.invalidate_keys('indexed');
SET enable_seqscan = off;
SELECT keys FROM inventory_perf.cache_outbox WHERE flush = false;
RESET enable_seqscan;
DROP INDEX inventory_perf.cache_outbox_by_keys;
ALTER TABLE inventory_perf.cache_outbox ADD more int;
SELECT inventory_perf.invalidate_keys('altered');
DROP TABLE inventory_perf.cache_outbox CASCADE;
