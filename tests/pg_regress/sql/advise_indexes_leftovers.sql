-- What a failed build left behind helps no query: the index is advised all the same, under another name,
-- and the reason says what to do with the one that is there.
CREATE EXTENSION hypopg;
CREATE TABLE scans AS SELECT n AS id, 'B' || n % 5000 AS barcode, n % 7 AS station FROM generate_series(1, 50000) n;
ANALYZE scans;
\set VERBOSITY terse
CREATE UNIQUE INDEX CONCURRENTLY scans_barcode_idx ON scans (barcode);
\set VERBOSITY default
SELECT create_ddl, reason FROM inventory_perf.advise_indexes(ARRAY['SELECT * FROM scans WHERE barcode = $1']);
SELECT create_ddl FROM inventory_perf.advise_indexes(ARRAY['SELECT * FROM scans WHERE barcode = $1']) \gexec
SELECT index, kind FROM inventory_perf.advise_index_drops();
SELECT count(*) FROM inventory_perf.advise_indexes(ARRAY['SELECT * FROM scans WHERE barcode = $1']);
