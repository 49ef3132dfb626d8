WITH activity AS (
    INSERT INTO inventory_perf.ledger_activity (ledger) VALUES ($1)
)
INSERT INTO inventory_perf.ledger (ledger, state, prefix, mapping, pending, days, openings,
                                   months, mapped_moves, members, schema, expressions, fingerprint)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9,
        $10::oid[]::regclass[], $11::regnamespace, $12, $13)
