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
