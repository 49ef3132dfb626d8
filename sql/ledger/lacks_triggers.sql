SELECT EXISTS (
    SELECT FROM inventory_perf.ledger l
    CROSS JOIN LATERAL unnest(l.members) m(member)
    JOIN pg_catalog.pg_class c ON c.oid = m.member
    WHERE l.ledger = $1::oid AND $2 > (
        SELECT count(*)
        FROM pg_catalog.pg_trigger t
        JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
        JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
        WHERE t.tgrelid = m.member
          AND n.nspname = 'inventory_perf' AND p.proname = 'capture_moves')
)
