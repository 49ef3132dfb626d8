-- What invalidate_on_change() and stop_invalidating() refuse.
CREATE TABLE t (id int, a text);
SELECT inventory_perf.invalidate_on_change(NULL);
SELECT inventory_perf.invalidate_on_change('t', NULL);
SELECT inventory_perf.invalidate_on_change('t', keys => '{a,NULL}');
SELECT inventory_perf.invalidate_on_change('t', when_changed => NULL);
SELECT inventory_perf.invalidate_on_change('no_such_table');
SELECT inventory_perf.invalidate_on_change(999999999::oid);
SELECT inventory_perf.invalidate_on_change('t', keys => '{"t:{b}"}');
SELECT inventory_perf.invalidate_on_change('t', keys => '{"t:{ID}"}');
SELECT inventory_perf.invalidate_on_change('t', keys => '{"t:{ctid}"}');
SELECT inventory_perf.invalidate_on_change('t', tags => '{"t:{b}"}');
SELECT inventory_perf.invalidate_on_change('t', when_changed => '{b}');
SELECT inventory_perf.invalidate_on_change('t', keys => '{"t:{id"}');
SELECT inventory_perf.invalidate_on_change('t', keys => '{"t:id}"}');
SELECT inventory_perf.invalidate_on_change('t', keys => '{""}');
SELECT inventory_perf.invalidate_on_change('t', keys => '{"tag:{id}"}');
SELECT inventory_perf.invalidate_on_change('t', tags => '{"tag:{id}"}');
SELECT inventory_perf.invalidate_on_change('t', channels => '{"when:id"}');
SELECT inventory_perf.invalidate_on_change('t', keys => '{"inventory_perf:{id}"}');
SELECT inventory_perf.stop_invalidating(NULL);
SELECT inventory_perf.stop_invalidating(999999999::oid);
-- relations of other kinds
CREATE VIEW v AS SELECT * FROM t;
SELECT inventory_perf.invalidate_on_change('v');
CREATE MATERIALIZED VIEW m AS SELECT * FROM t;
SELECT inventory_perf.invalidate_on_change('m');
CREATE SEQUENCE s;
SELECT inventory_perf.invalidate_on_change('s');
CREATE TEMPORARY TABLE temp (id int);
-- its schema's name is another one each time
\set VERBOSITY sqlstate
SELECT inventory_perf.invalidate_on_change('temp');
\set VERBOSITY default
SELECT inventory_perf.invalidate_on_change('pg_class');
SELECT inventory_perf.invalidate_on_change('inventory_perf.cache_outbox');
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere;
CREATE FOREIGN TABLE f (id int) SERVER nowhere;
SELECT inventory_perf.invalidate_on_change('f');
CREATE UNLOGGED TABLE unlogged (id int);
SELECT inventory_perf.invalidate_on_change('unlogged');
-- rights
CREATE ROLE cache_owner;
CREATE ROLE cache_stranger;
ALTER TABLE t OWNER TO cache_owner;
GRANT INSERT, TRIGGER ON t TO cache_stranger;
SET ROLE cache_stranger;
SELECT inventory_perf.invalidate_on_change('t');
SELECT inventory_perf.stop_invalidating('t');
SELECT inventory_perf.sync_invalidation(NULL);
-- whoever may create triggers may create this one
CREATE TRIGGER by_hand AFTER INSERT ON t EXECUTE FUNCTION inventory_perf.invalidate_cache('t');
RESET ROLE;
SET ROLE cache_owner;
SELECT inventory_perf.invalidate_on_change('t', keys => '{"t:{id}''); DROP TABLE t; --"}');
RESET ROLE;
SET ROLE cache_stranger;
INSERT INTO t VALUES (1);
TABLE inventory_perf.cache_outbox;
RESET ROLE;
SELECT keys FROM inventory_perf.cache_outbox ORDER BY ctid;
SET ROLE cache_owner;
SELECT inventory_perf.stop_invalidating('t');
RESET ROLE;
BEGIN READ ONLY;
SELECT inventory_perf.invalidate_on_change('t');
ROLLBACK;
DROP TABLE t CASCADE;
DROP ROLE cache_owner, cache_stranger;
