-- Index advice.

CREATE FUNCTION inventory_perf.workload_coverage(
    workload text[] DEFAULT NULL, relations regclass[] DEFAULT NULL
) RETURNS TABLE (number integer, query text, calls bigint, weight double precision,
                 weight_percent double precision, status text, reason text)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'workload_coverage_wrapper';
COMMENT ON FUNCTION inventory_perf.workload_coverage(text[], regclass[]) IS
'every statement of the workload (null: those of pg_stat_statements) with its weight, milliseconds where time was measured and calls otherwise, and whether index advice uses it, or why not. Statements are planned, never executed. Errors: 55000 without pg_stat_statements, 42809 a relation that is not a table';

CREATE FUNCTION inventory_perf.advise_index_drops(
    relations regclass[] DEFAULT NULL, unused_after interval DEFAULT '30 days'
) RETURNS TABLE (rank integer, drop_ddl text, rollback_ddl text, relation regclass, index regclass,
                 kind text, size_bytes bigint, reason text)
LANGUAGE c VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'inventory_perf_index_drops';
COMMENT ON FUNCTION inventory_perf.advise_index_drops(regclass[], interval) IS
'indexes of these tables (null: of all) that cost more than they give: left invalid, duplicate, redundant, or without a scan for unused_after. Never one that a constraint, the replica identity or, alone, a foreign key needs. Sizes in bytes. Errors: 22004 unused_after is null, 22023 it is negative, 42809 a relation that is not a table';

CREATE FUNCTION inventory_perf.ledger_workload(ledger regclass) RETURNS text[]
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ledger_workload_wrapper';
COMMENT ON FUNCTION inventory_perf.ledger_workload(regclass) IS
'statements that are typically asked of an attached ledger, to pass as the workload of the advisor. Errors: 55000 not attached, 42501 no right to read it, 22004 null';

CREATE FUNCTION inventory_perf.advise_indexes(
    workload text[] DEFAULT NULL, storage_budget bigint DEFAULT NULL,
    relations regclass[] DEFAULT NULL, max_columns integer DEFAULT 3,
    time_limit interval DEFAULT '60 s'
) RETURNS TABLE (rank integer, create_ddl text, rollback_ddl text, relation regclass,
                 access_method text, size_bytes bigint, cost_before double precision,
                 cost_after double precision, saving_percent double precision,
                 write_cost double precision, validity text, costed boolean, reason text,
                 queries jsonb)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'advise_indexes_wrapper';
COMMENT ON FUNCTION inventory_perf.advise_indexes(text[], bigint, regclass[], integer, interval) IS
'indexes that make the workload (null: that of pg_stat_statements) cheaper, the most saving per byte first: DDL to build each and to take it back, its size, costs in the planner''s units of the statements that it serves, weighted, before and after all of the advice, what it costs writers, for which ways of planning it holds, and why. No rows: nothing to recommend. Nothing is built or executed. Errors: 55000 without hypopg or pg_stat_statements, 22023 a budget, number of columns or time out of range, 42809 a relation that is not a table';

CREATE FUNCTION inventory_perf.evaluate_indexes(ddl text[], workload text[] DEFAULT NULL)
RETURNS TABLE (statement integer, query text, weight double precision,
               cost_before double precision, cost_after double precision,
               saving_percent double precision, new_indexes text[], existing_indexes text[])
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'evaluate_indexes_wrapper';
COMMENT ON FUNCTION inventory_perf.evaluate_indexes(text[], text[]) IS
'what each statement of the workload (null: that of pg_stat_statements) would cost, in the planner''s units, if the indexes of these CREATE INDEX statements were built, and which of them and of the existing ones its plans would use. Nothing is built or executed. Errors name the element of ddl: 22023 not one CREATE INDEX statement, 42P01 a missing relation, 0A000 an index that cannot be costed';
