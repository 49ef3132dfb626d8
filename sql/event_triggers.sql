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

CREATE FUNCTION inventory_perf.follow_commands(relations oid[]) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'follow_commands_wrapper';
COMMENT ON FUNCTION inventory_perf.follow_commands(oid[]) IS
'counts the rows of partitions that came to a ledger, takes out those of partitions that went, and marks a ledger stale whose triggers, storage or mapping were changed; the event trigger calls it with the relations that a command concerns';
REVOKE ALL ON FUNCTION inventory_perf.follow_commands(oid[]) FROM PUBLIC;

CREATE FUNCTION inventory_perf.on_ddl_command_end() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM inventory_perf.follow_commands(ARRAY(
        SELECT CASE c.classid
                   WHEN 'pg_class'::regclass THEN c.objid
                   WHEN 'pg_trigger'::regclass THEN
                       (SELECT t.tgrelid FROM pg_trigger t WHERE t.oid = c.objid)
                   WHEN 'pg_rewrite'::regclass THEN
                       (SELECT r.ev_class FROM pg_rewrite r WHERE r.oid = c.objid)
               END
        FROM pg_event_trigger_ddl_commands() c
        WHERE c.classid IN ('pg_class'::regclass, 'pg_trigger'::regclass, 'pg_rewrite'::regclass)
        UNION
        SELECT s.srrelid FROM pg_subscription_rel s
        WHERE TG_TAG IN ('CREATE SUBSCRIPTION', 'ALTER SUBSCRIPTION')));
END
$$;
COMMENT ON FUNCTION inventory_perf.on_ddl_command_end() IS
'tells follow_commands() which relations a command has created or altered';
REVOKE ALL ON FUNCTION inventory_perf.on_ddl_command_end() FROM PUBLIC;

CREATE FUNCTION inventory_perf.on_alter_table_start() RETURNS event_trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'inventory_perf_on_alter_table_start';
COMMENT ON FUNCTION inventory_perf.on_alter_table_start() IS
'marks a ledger stale while one of its partitions is detached concurrently';
REVOKE ALL ON FUNCTION inventory_perf.on_alter_table_start() FROM PUBLIC;

CREATE FUNCTION inventory_perf.after_drop(relations oid[], functions oid[], altered oid[])
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'after_drop_wrapper';
COMMENT ON FUNCTION inventory_perf.after_drop(oid[], oid[], oid[]) IS
'what the event trigger does once it knows what was dropped, and what lost a trigger or a rule';
REVOKE ALL ON FUNCTION inventory_perf.after_drop(oid[], oid[], oid[]) FROM PUBLIC;

CREATE FUNCTION inventory_perf.on_sql_drop() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM inventory_perf.after_drop(
        ARRAY(SELECT d.objid FROM pg_event_trigger_dropped_objects() d
              WHERE d.classid = 'pg_class'::regclass AND d.objsubid = 0),
        ARRAY(SELECT d.objid FROM pg_event_trigger_dropped_objects() d
              WHERE d.classid = 'pg_proc'::regclass),
        ARRAY(SELECT DISTINCT to_regclass(format('%I.%I', d.address_names[1], d.address_names[2]))
              FROM pg_event_trigger_dropped_objects() d
              WHERE d.object_type IN ('trigger', 'rule')));
END
$$;
COMMENT ON FUNCTION inventory_perf.on_sql_drop() IS
'forgets a ledger that is dropped, refuses to drop a part of one, and marks a ledger stale whose triggers were dropped';
REVOKE ALL ON FUNCTION inventory_perf.on_sql_drop() FROM PUBLIC;

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
-- Whatever can make, move or alter a part of a ledger, what it is stored in, or what captures it.
CREATE EVENT TRIGGER inventory_perf_ddl_command_end ON ddl_command_end
    WHEN TAG IN ('CREATE TABLE', 'CREATE FOREIGN TABLE', 'IMPORT FOREIGN SCHEMA', 'CREATE SCHEMA',
                 'ALTER TABLE', 'ALTER FOREIGN TABLE',
                 'CREATE VIEW', 'ALTER VIEW', 'CREATE RULE', 'ALTER RULE',
                 'CREATE TRIGGER', 'ALTER TRIGGER',
                 'CREATE SUBSCRIPTION', 'ALTER SUBSCRIPTION')
    EXECUTE FUNCTION inventory_perf.on_ddl_command_end();
CREATE EVENT TRIGGER inventory_perf_alter_table_start ON ddl_command_start
    WHEN TAG IN ('ALTER TABLE')
    EXECUTE FUNCTION inventory_perf.on_alter_table_start();
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

-- Sessions that apply changes as a replica run commands, too.
ALTER EVENT TRIGGER inventory_perf_ddl_command_start ENABLE ALWAYS;
ALTER EVENT TRIGGER inventory_perf_ddl_command_end ENABLE ALWAYS;
ALTER EVENT TRIGGER inventory_perf_alter_table_start ENABLE ALWAYS;
ALTER EVENT TRIGGER inventory_perf_table_rewrite ENABLE ALWAYS;
ALTER EVENT TRIGGER inventory_perf_sql_drop ENABLE ALWAYS;
ALTER EVENT TRIGGER inventory_perf_ddl_invalidation ENABLE ALWAYS;
ALTER EVENT TRIGGER inventory_perf_ddl_output ENABLE ALWAYS;
