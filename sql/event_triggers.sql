-- What keeps ledgers and invalidation right when their tables are altered or dropped.

CREATE FUNCTION inventory_perf.invalidates() RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT EXISTS (
        SELECT FROM pg_catalog.pg_depend d
        WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
          AND d.refobjid OPERATOR(pg_catalog.=) 'inventory_perf.invalidate_cache()'::pg_catalog.regprocedure
          AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_trigger'::pg_catalog.regclass);
END;
COMMENT ON FUNCTION inventory_perf.invalidates() IS
'whether any table has a trigger that calls invalidate_cache()';
REVOKE ALL ON FUNCTION inventory_perf.invalidates() FROM PUBLIC;

-- Not SECURITY DEFINER, so that it finds the tables that a command names as the command does.
CREATE FUNCTION inventory_perf.on_ddl_command_start() RETURNS event_trigger
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'inventory_perf_ddl_start';
COMMENT ON FUNCTION inventory_perf.on_ddl_command_start() IS
'remembers which parts the tables that a command names have, and what they are parts of';
REVOKE ALL ON FUNCTION inventory_perf.on_ddl_command_start() FROM PUBLIC;

CREATE FUNCTION inventory_perf.on_ddl_invalidation() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF inventory_perf.invalidates() THEN
        PERFORM inventory_perf.sync_invalidation(
            -- What a subscription writes to fires fewer triggers than before.
            (SELECT pg_catalog.array_agg(a.relation)
             FROM (SELECT c.objid FROM pg_catalog.pg_event_trigger_ddl_commands() c
                   WHERE c.classid = 'pg_catalog.pg_class'::regclass
                   UNION
                   SELECT s.srrelid FROM pg_catalog.pg_subscription_rel s
                   WHERE TG_TAG IN ('CREATE SUBSCRIPTION', 'ALTER SUBSCRIPTION')) a (relation)));
    END IF;
END
$$;
COMMENT ON FUNCTION inventory_perf.on_ddl_invalidation() IS
'gives parts of tables their invalidation triggers, and makes invalid what depends on a table that was altered';
REVOKE ALL ON FUNCTION inventory_perf.on_ddl_invalidation() FROM PUBLIC;

CREATE FUNCTION inventory_perf.on_ddl_output() RETURNS event_trigger
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'inventory_perf_ddl_output';
COMMENT ON FUNCTION inventory_perf.on_ddl_output() IS
'makes invalid what is cached from tables with columns of a type of which a label or an attribute was altered: the same rows are written out differently';
REVOKE ALL ON FUNCTION inventory_perf.on_ddl_output() FROM PUBLIC;

CREATE FUNCTION inventory_perf.on_ddl_command_end() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM inventory_perf.ledger) THEN
        PERFORM inventory_perf.sync_members();
    END IF;
END
$$;
COMMENT ON FUNCTION inventory_perf.on_ddl_command_end() IS
'counts partitions that come to a ledger or go, and marks a ledger stale whose triggers were disabled';
REVOKE ALL ON FUNCTION inventory_perf.on_ddl_command_end() FROM PUBLIC;

CREATE FUNCTION inventory_perf.on_sql_drop() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM inventory_perf.ledger) THEN
        PERFORM inventory_perf.after_drop(
            (SELECT pg_catalog.array_agg(d.objid) FROM pg_catalog.pg_event_trigger_dropped_objects() d
             WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objsubid = 0),
            (SELECT pg_catalog.array_agg(d.address_names[1] || '.' || d.address_names[2])
             FROM pg_catalog.pg_event_trigger_dropped_objects() d
             WHERE d.object_type = 'trigger' AND d.address_names[3] LIKE '00\_inventory\_perf\_%'));
    END IF;
END
$$;
COMMENT ON FUNCTION inventory_perf.on_sql_drop() IS
'forgets a ledger that is dropped, refuses to drop a part of one, and marks a ledger stale whose triggers were dropped';
REVOKE ALL ON FUNCTION inventory_perf.on_sql_drop() FROM PUBLIC;

CREATE FUNCTION inventory_perf.after_drop(relations oid[], triggers text[]) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'after_drop_wrapper';
COMMENT ON FUNCTION inventory_perf.after_drop(oid[], text[]) IS
'what the event trigger does once it knows what was dropped';
REVOKE ALL ON FUNCTION inventory_perf.after_drop(oid[], text[]) FROM PUBLIC;

CREATE FUNCTION inventory_perf.on_create_trigger() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (
        SELECT FROM pg_catalog.pg_event_trigger_ddl_commands() c
        JOIN pg_catalog.pg_trigger t ON t.oid = c.objid
        JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
        WHERE c.classid = 'pg_catalog.pg_trigger'::regclass
          AND t.tgname LIKE '00\_inventory\_perf\_%'
          AND p.pronamespace <> 'inventory_perf'::regnamespace
    ) THEN
        PERFORM inventory_perf.after_drop('{}', '{replaced}');
    END IF;
END
$$;
COMMENT ON FUNCTION inventory_perf.on_create_trigger() IS
'marks a ledger stale of which a capture trigger was replaced by another trigger';
REVOKE ALL ON FUNCTION inventory_perf.on_create_trigger() FROM PUBLIC;

CREATE FUNCTION inventory_perf.note_rewrite(relation oid) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'note_rewrite_wrapper';
COMMENT ON FUNCTION inventory_perf.note_rewrite(oid) IS
'what the event trigger does once it knows what is rewritten';
REVOKE ALL ON FUNCTION inventory_perf.note_rewrite(oid) FROM PUBLIC;

CREATE FUNCTION inventory_perf.on_table_rewrite() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM inventory_perf.note_rewrite(pg_catalog.pg_event_trigger_table_rewrite_oid());
END
$$;
COMMENT ON FUNCTION inventory_perf.on_table_rewrite() IS
'gives no answer to snapshots from before ALTER TABLE rewrites a part of a ledger, which they see empty then';
REVOKE ALL ON FUNCTION inventory_perf.on_table_rewrite() FROM PUBLIC;

CREATE EVENT TRIGGER inventory_perf_ddl_command_start ON ddl_command_start
    WHEN TAG IN ('CREATE TABLE', 'CREATE FOREIGN TABLE', 'ALTER TABLE', 'ALTER FOREIGN TABLE',
                 'DROP TABLE', 'DROP FOREIGN TABLE', 'DROP SCHEMA', 'DROP OWNED')
    EXECUTE FUNCTION inventory_perf.on_ddl_command_start();
CREATE EVENT TRIGGER inventory_perf_ddl_command_end ON ddl_command_end
    WHEN TAG IN ('CREATE TABLE', 'CREATE FOREIGN TABLE', 'ALTER TABLE', 'ALTER FOREIGN TABLE',
                 'CREATE SUBSCRIPTION', 'ALTER SUBSCRIPTION')
    EXECUTE FUNCTION inventory_perf.on_ddl_command_end();
CREATE EVENT TRIGGER inventory_perf_create_trigger ON ddl_command_end WHEN TAG IN ('CREATE TRIGGER')
    EXECUTE FUNCTION inventory_perf.on_create_trigger();
CREATE EVENT TRIGGER inventory_perf_table_rewrite ON table_rewrite
    EXECUTE FUNCTION inventory_perf.on_table_rewrite();
CREATE EVENT TRIGGER inventory_perf_sql_drop ON sql_drop
    EXECUTE FUNCTION inventory_perf.on_sql_drop();
CREATE EVENT TRIGGER inventory_perf_ddl_invalidation ON ddl_command_end
    WHEN TAG IN ('CREATE TABLE', 'CREATE FOREIGN TABLE', 'ALTER TABLE', 'ALTER FOREIGN TABLE',
                 'DROP TABLE', 'DROP FOREIGN TABLE', 'DROP SCHEMA', 'DROP OWNED', 'CREATE SCHEMA',
                 'CREATE SUBSCRIPTION', 'ALTER SUBSCRIPTION')
    EXECUTE FUNCTION inventory_perf.on_ddl_invalidation();
CREATE EVENT TRIGGER inventory_perf_ddl_output ON ddl_command_end
    WHEN TAG IN ('ALTER TYPE')
    EXECUTE FUNCTION inventory_perf.on_ddl_output();
