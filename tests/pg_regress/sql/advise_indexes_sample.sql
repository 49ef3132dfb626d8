-- What is read of a table to foretell sizes, and with whose rights.
CREATE EXTENSION hypopg;
CREATE TABLE kept AS SELECT i AS id, i % 50 AS few, 'name ' || i AS name, i % 7 AS zero FROM generate_series(1, 20000) i;
VACUUM ANALYZE kept;
CREATE ROLE sample_reader;
GRANT SELECT (id, few) ON kept TO sample_reader;

-- no function of a user is called, whatever it says it is
CREATE FUNCTION spy(integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS
$$ BEGIN RAISE WARNING 'called with %', $1; RETURN $1; END $$;
SELECT count(*) FROM inventory_perf.evaluate_indexes(ARRAY[
    'CREATE INDEX ON kept (spy(id), few)', 'CREATE INDEX ON kept (id, few) WHERE spy(id) > 0'],
    ARRAY['SELECT * FROM kept WHERE id = 1']);

-- what cannot be worked out for some row hinders nothing
SELECT new_indexes FROM inventory_perf.evaluate_indexes(ARRAY[
    'CREATE INDEX divided ON kept (few, (id / zero))', 'CREATE INDEX named ON kept (name, id)'],
    ARRAY['SELECT * FROM kept WHERE name = ''name 7''']);

-- who may read some columns only, or some rows only
SET ROLE sample_reader;
SELECT count(*) FROM inventory_perf.evaluate_indexes(
    ARRAY['CREATE INDEX ON kept (name, id)', 'CREATE INDEX ON kept (few, id)'],
    ARRAY['SELECT id FROM kept WHERE few = 3']);
RESET ROLE;
ALTER TABLE kept ENABLE ROW LEVEL SECURITY;
CREATE POLICY hidden ON kept USING (spy(id) < 0);
SET ROLE sample_reader;
SELECT count(*) FROM inventory_perf.evaluate_indexes(ARRAY['CREATE INDEX ON kept (few, id)'],
    ARRAY['SELECT id FROM kept WHERE few = 3']);
RESET ROLE;

-- a table that is empty or has no statistics
CREATE TABLE bare (id integer, note text);
SELECT count(*) FROM inventory_perf.evaluate_indexes(
    ARRAY['CREATE INDEX ON bare (id, note) WHERE note IS NULL'], ARRAY['SELECT * FROM bare WHERE id = 1']);
INSERT INTO bare SELECT i, NULL FROM generate_series(1, 5) i;
SELECT count(*) FROM inventory_perf.evaluate_indexes(
    ARRAY['CREATE INDEX ON bare (id, note) WHERE note IS NULL'], ARRAY['SELECT * FROM bare WHERE id = 1']);
DROP OWNED BY sample_reader;
DROP ROLE sample_reader;
