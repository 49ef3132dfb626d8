-- Whether any table has a trigger that calls invalidate_cache().
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_depend d
    WHERE d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
      AND d.refobjid = 'inventory_perf.invalidate_cache()'::pg_catalog.regprocedure
      AND d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass)
