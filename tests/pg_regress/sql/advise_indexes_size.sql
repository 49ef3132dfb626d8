-- Estimated sizes of B-trees are within 15 % of what is built, if columns do not depend on each other.
CREATE EXTENSION hypopg;
CREATE TABLE sized AS
SELECT i AS id, abs(hashint8(i)) % 100 AS few, i * 7919::bigint % 3000 AS part, 'name ' || i AS name,
    CASE WHEN i % 10 = 0 THEN i END AS sparse, (i * 48271::bigint % 65537 / 7)::numeric(12, 2) AS price,
    md5(i::text) AS hash
FROM generate_series(1, 100000) i;
VACUUM ANALYZE sized;
CREATE TABLE advised AS
SELECT w.query, a.create_ddl, a.size_bytes
FROM (VALUES ('SELECT * FROM sized WHERE id = 1'), ('SELECT * FROM sized WHERE part = 1'),
    ('SELECT * FROM sized WHERE name = ''x'''), ('SELECT * FROM sized WHERE sparse = 1'),
    ('SELECT * FROM sized WHERE price = 1'), ('SELECT * FROM sized WHERE hash = ''x'''),
    ('SELECT * FROM sized WHERE few = 3 AND part = 17'),
    ('SELECT id FROM sized WHERE part = 1')) w (query),
    LATERAL inventory_perf.advise_indexes(ARRAY[w.query]) a;
DO $$
DECLARE
    advice record;
    built bigint;
BEGIN
    FOR advice IN SELECT * FROM advised LOOP
        EXECUTE 'CREATE INDEX built ' || substring(advice.create_ddl FROM ' ON .*');
        built := pg_relation_size('built');
        IF advice.size_bytes NOT BETWEEN 0.85 * built AND 1.15 * built THEN
            RAISE WARNING '% is estimated as % bytes, built with %', advice.create_ddl, advice.size_bytes, built;
        END IF;
        DROP INDEX built;
    END LOOP;
END
$$;
SELECT query, substring(create_ddl FROM 'USING .*') AS index FROM advised ORDER BY 1;
