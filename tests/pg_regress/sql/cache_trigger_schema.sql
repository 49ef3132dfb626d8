-- Commands that make or drop parts in another way than by naming the table that they are parts of.
\set VERBOSITY terse
CREATE TABLE t (id int) PARTITION BY LIST (id);
SELECT inventory_perf.invalidate_on_change('t', keys => ARRAY['k:{id}']);
SELECT inventory_perf.deliver_invalidations() >= 0;
CREATE VIEW waiting AS SELECT relation::regclass, operation, keys, patterns FROM inventory_perf.cache_outbox ORDER BY captured_at;
CREATE SCHEMA other CREATE TABLE one PARTITION OF public.t FOR VALUES IN (1) CREATE TABLE alone (id int);
SELECT * FROM waiting;
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'other.one'::regclass AND tgenabled = 'A';
SELECT inventory_perf.deliver_invalidations();
INSERT INTO other.one VALUES (1);
SELECT * FROM waiting;
SELECT inventory_perf.deliver_invalidations();
-- several commands of one statement
DO $$
BEGIN
    CREATE TABLE two (id int);
    ALTER TABLE t ATTACH PARTITION two FOR VALUES IN (2);
    CREATE TABLE three PARTITION OF t FOR VALUES IN (3);
    ALTER TABLE t DETACH PARTITION two;
END
$$;
SELECT tgrelid::regclass, count(*) FROM pg_trigger WHERE tgrelid IN ('two'::regclass, 'three'::regclass) GROUP BY 1;
SELECT inventory_perf.deliver_invalidations() > 0;
DROP SCHEMA other CASCADE;
SELECT * FROM waiting;
SELECT inventory_perf.deliver_invalidations();
CREATE ROLE gone;
ALTER TABLE three OWNER TO gone;
SELECT inventory_perf.deliver_invalidations() > 0;
DROP OWNED BY gone;
SELECT * FROM waiting;
DROP ROLE gone;
-- a name that is found in the caller's path
CREATE SCHEMA mine;
SET search_path = mine, public, inventory_perf;
CREATE TABLE mine.four PARTITION OF public.t FOR VALUES IN (4);
SELECT deliver_invalidations() > 0;
ALTER TABLE t DETACH PARTITION four;
SELECT * FROM waiting;
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'four'::regclass;
-- what somebody did to tables of their own does not concern others
RESET search_path;
CREATE TABLE above (id int);
CREATE TABLE below () INHERITS (above);
CREATE TRIGGER inventory_perf_invalidate_insert AFTER INSERT ON below REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION inventory_perf.invalidate_cache('x');
CREATE TABLE mine.alone (id int);
SELECT inventory_perf.invalidate_on_change('mine.alone');
CREATE TABLE mine.child () INHERITS (mine.alone);
ALTER TABLE mine.child NO INHERIT mine.alone;
