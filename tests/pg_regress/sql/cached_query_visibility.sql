-- What decides who sees which rows is asked again: tags of a caller's own do not keep rows after a
-- role has lost a membership.
CREATE ROLE visibility_staff;
CREATE ROLE visibility_reader;
GRANT visibility_staff TO visibility_reader;
CREATE TABLE lots (id integer, secret text);
INSERT INTO lots VALUES (1, 'one'), (2, 'two');
GRANT SELECT ON lots TO PUBLIC;
SELECT inventory_perf.invalidate_on_change('lots');
SELECT inventory_perf.deliver_invalidations() >= 0 AS delivered;
-- Asked until it would be kept.
CREATE FUNCTION asked(query text, tags text[] DEFAULT '{}') RETURNS SETOF jsonb LANGUAGE plpgsql AS
$$ BEGIN
    FOR time IN 1..3 LOOP PERFORM FROM inventory_perf.cached_query(query, tags => tags); END LOOP;
    RETURN QUERY SELECT * FROM inventory_perf.cached_query(query, tags => tags);
END $$;

-- a policy that asks
ALTER TABLE lots ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON lots USING (pg_has_role('visibility_staff', 'MEMBER'));
SET ROLE visibility_reader;
SELECT * FROM asked('SELECT * FROM lots', tags => '{mine}');
RESET ROLE;
REVOKE visibility_staff FROM visibility_reader;
SET ROLE visibility_reader;
SELECT * FROM asked('SELECT * FROM lots', tags => '{mine}');
SELECT * FROM asked('SELECT * FROM lots');
RESET ROLE;

-- a function that hides what it asks, of a policy
GRANT visibility_staff TO visibility_reader;
CREATE FUNCTION is_staff() RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER AS
$$ BEGIN RETURN pg_has_role('visibility_reader', 'visibility_staff', 'MEMBER'); END $$;
ALTER POLICY staff ON lots USING ((SELECT is_staff()));
SET ROLE visibility_reader;
SELECT count(*) FROM asked('SELECT * FROM lots', tags => '{mine}');
RESET ROLE;
REVOKE visibility_staff FROM visibility_reader;
SET ROLE visibility_reader;
SELECT count(*) FROM asked('SELECT * FROM lots', tags => '{mine}');
RESET ROLE;
GRANT visibility_staff TO visibility_reader;
-- of a view
ALTER TABLE lots DISABLE ROW LEVEL SECURITY;
CREATE VIEW shown AS SELECT * FROM lots WHERE is_staff();
GRANT SELECT ON shown TO PUBLIC;
SELECT count(*) FROM asked('SELECT * FROM shown', tags => '{mine}');
REVOKE visibility_staff FROM visibility_reader;
SET ROLE visibility_reader;
SELECT count(*) FROM asked('SELECT * FROM shown', tags => '{mine}');
RESET ROLE;
GRANT visibility_staff TO visibility_reader;

-- said to be immutable
CREATE FUNCTION is_member(role text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
$$ BEGIN RETURN pg_has_role('visibility_reader', role, 'MEMBER'); END $$;
ALTER TABLE lots ENABLE ROW LEVEL SECURITY;
ALTER POLICY staff ON lots USING (is_member('visibility_' || left(secret, 0) || 'staff'));
SET ROLE visibility_reader;
SELECT count(*) FROM asked('SELECT * FROM lots');
RESET ROLE;
REVOKE visibility_staff FROM visibility_reader;
SET ROLE visibility_reader;
SELECT count(*) FROM asked('SELECT * FROM lots');
RESET ROLE;

-- asked by the query itself, tags are the caller's promise, but a change of roles counts
ALTER TABLE lots DISABLE ROW LEVEL SECURITY;
SELECT * FROM asked($$SELECT pg_has_role('visibility_reader', 'visibility_staff', 'MEMBER') AS is_member FROM lots$$, tags => '{mine}');
GRANT visibility_staff TO visibility_reader;
SELECT * FROM asked($$SELECT pg_has_role('visibility_reader', 'visibility_staff', 'MEMBER') AS is_member FROM lots$$, tags => '{mine}');

-- what the session decides is not kept at all
SELECT hits AS before FROM inventory_perf.cache_stats WHERE scope = 'session' \gset
SELECT count(*) FROM asked('SELECT pg_backend_pid() > 0 AS there FROM lots', tags => '{mine}');
SELECT hits - :before AS hits FROM inventory_perf.cache_stats WHERE scope = 'session';

DROP OWNED BY visibility_reader, visibility_staff;
DROP ROLE visibility_reader, visibility_staff;
