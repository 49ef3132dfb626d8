-- Every function called with nothing but NULL: no error is an internal one.
DO $$
DECLARE
    called record;
    statement text;
    wrong int := 0;
BEGIN
    FOR called IN
        SELECT p.oid, p.oid::regprocedure AS signature, p.prokind, p.prorettype, p.proretset,
               (SELECT string_agg('NULL::' || CASE WHEN t.typtype = 'p' AND t.typname <> 'internal' THEN 'text' ELSE format_type(t.oid, NULL) END, ', ' ORDER BY a.number)
                FROM unnest(p.proargtypes) WITH ORDINALITY a (type, number) JOIN pg_type t ON t.oid = a.type) AS arguments
        FROM pg_proc p
        WHERE p.pronamespace = 'inventory_perf'::regnamespace
          AND NOT 'internal'::regtype = ANY (p.proargtypes)
        ORDER BY 2
    LOOP
        statement := format('SELECT * FROM inventory_perf.%I(%s%s)',
            (SELECT proname FROM pg_proc WHERE oid = called.oid),
            CASE WHEN (SELECT provariadic FROM pg_proc WHERE oid = called.oid) <> 0 THEN 'VARIADIC ' ELSE '' END,
            coalesce(called.arguments, ''));
        IF called.prokind = 'a' THEN
            CONTINUE;
        END IF;
        BEGIN
            EXECUTE statement;
        EXCEPTION WHEN OTHERS THEN
            IF SQLSTATE LIKE 'XX%' OR SQLERRM ILIKE '%panic%' OR SQLERRM ILIKE '%unwrap%' THEN
                wrong := wrong + 1;
                RAISE NOTICE '%: % %', called.signature, SQLSTATE, SQLERRM;
            END IF;
        END;
    END LOOP;
    RAISE NOTICE '% internal errors', wrong;
END
$$;
