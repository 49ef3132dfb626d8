-- Index advice.

CREATE FUNCTION inventory_perf.workload_coverage(
    workload text[] DEFAULT NULL, relations regclass[] DEFAULT NULL
) RETURNS TABLE (number integer, query text, calls bigint, weight double precision,
                 weight_percent double precision, status text, reason text)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'workload_coverage_wrapper';
COMMENT ON FUNCTION inventory_perf.workload_coverage(text[], regclass[]) IS
'every statement of the workload (null: those of pg_stat_statements) with its weight, milliseconds where time was measured and calls otherwise, and whether index advice uses it, or why not. Statements are planned, never executed. Errors: 55000 without pg_stat_statements, 42809 a relation that is not a table';
