-- An independent reckoning for the golden files. `legs` is a relation that a test writes in plain
-- SQL over its ledger: the key columns named as in the derived relations, then day, quantity and,
-- with a value measure, value. Every view, function and jsonb twin of the ledger is compared with
-- sums over these legs, as of every day with a movement and the day before, and over ranges about
-- it. No row means that all agree; golden.comparisons tells how much was compared.
CREATE SCHEMA golden;

CREATE TABLE golden.comparisons (relation text, expected bigint);

CREATE FUNCTION golden.compare(relation text, actual text, expected text)
RETURNS TABLE (relation_name text, only_in text, row_found jsonb)
LANGUAGE plpgsql AS $$
DECLARE
    expected_rows bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM (%s) AS e', expected) INTO expected_rows;
    INSERT INTO golden.comparisons VALUES (relation, expected_rows);
    RETURN QUERY EXECUTE format($sql$
        WITH a AS (SELECT to_jsonb(golden_row) AS r FROM (%2$s) AS golden_row),
             e AS (SELECT to_jsonb(golden_row) AS r FROM (%3$s) AS golden_row)
        SELECT %1$L, 'extension', r FROM (TABLE a EXCEPT ALL TABLE e) AS wrong
        UNION ALL
        SELECT %1$L, 'ledger', r FROM (TABLE e EXCEPT ALL TABLE a) AS missing
        ORDER BY 2, 3$sql$, relation, actual, expected);
END $$;

CREATE FUNCTION golden.differences(ledger regclass, legs regclass)
RETURNS TABLE (relation_name text, only_in text, row_found jsonb)
LANGUAGE plpgsql AS $$
DECLARE
    daily text;         -- the qualified names of the derived relations
    levels text;
    stock_on text;
    history text;
    period text;
    keys text;          -- a, b, c
    key_object text;    -- jsonb object of them
    has_value boolean;
    value_sums text;
    measures text;
    a_day date;
    from_date date;
    to_date date;
    per_day text;
    per_period text;
BEGIN
    SELECT format('%I.%I', l.target_schema, l.prefix || 'daily_stock_snapshots'),
           format('%I.%I', l.target_schema, l.prefix || 'stock_levels'),
           format('%I.%I', l.target_schema, l.prefix || 'stock_on'),
           format('%I.%I', l.target_schema, l.prefix || 'stock_history'),
           format('%I.%I', l.target_schema, l.prefix || 'stock_period')
    INTO STRICT daily, levels, stock_on, history, period
    FROM inventory_perf.ledgers AS l WHERE l.ledger = differences.ledger;
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum),
           'jsonb_build_object(' || string_agg(format('%L, %I', attname, attname), ', ' ORDER BY attnum) || ')'
    INTO keys, key_object
    FROM pg_attribute
    WHERE attrelid = legs AND attnum > 0 AND attname NOT IN ('day', 'quantity', 'value');
    has_value := EXISTS (SELECT FROM pg_attribute WHERE attrelid = legs AND attname = 'value');
    measures := 'opening_quantity, in_quantity, out_quantity, total_movements, closing_quantity, move_count'
        || CASE WHEN has_value THEN ', opening_value, value_change, closing_value' ELSE '' END;

    EXECUTE format('CREATE TEMPORARY TABLE golden_legs AS SELECT * FROM %s', legs);
    legs := 'pg_temp.golden_legs';
    ANALYZE golden_legs;

    RETURN QUERY SELECT * FROM golden.compare('daily_stock_snapshots',
        format('SELECT * FROM %s', daily),
        format($sql$
            SELECT %1$s, day AS snapshot_date,
                   sum(sum(quantity)) OVER so_far - sum(quantity) AS opening_quantity,
                   coalesce(sum(quantity) FILTER (WHERE quantity > 0), 0) AS in_quantity,
                   coalesce(-sum(quantity) FILTER (WHERE quantity < 0), 0) AS out_quantity,
                   sum(quantity) AS total_movements,
                   sum(sum(quantity)) OVER so_far AS closing_quantity,
                   count(*) AS move_count %3$s
            FROM %2$s GROUP BY %1$s, day
            WINDOW so_far AS (PARTITION BY %1$s ORDER BY day)$sql$, keys, legs,
            CASE WHEN has_value THEN ', sum(sum(value)) OVER so_far - sum(value) AS opening_value,
                sum(value) AS value_change, sum(sum(value)) OVER so_far AS closing_value' ELSE '' END));

    RETURN QUERY SELECT * FROM golden.compare('stock_levels',
        format('SELECT * FROM %s', levels),
        format('SELECT %1$s, sum(quantity) AS quantity_on_hand, max(day) AS last_moved_on %3$s FROM %2$s GROUP BY %1$s',
            keys, legs, CASE WHEN has_value THEN ', sum(value) AS stock_value' ELSE '' END));

    FOR a_day IN EXECUTE format('SELECT DISTINCT day + near_days FROM %s, generate_series(-1, 0) AS near_days ORDER BY 1', legs) LOOP
        per_day := format('SELECT %1$s, sum(quantity) AS quantity %4$s FROM %2$s WHERE day <= %3$L GROUP BY %1$s',
            keys, legs, a_day, CASE WHEN has_value THEN ', sum(value) AS value' ELSE '' END);
        RETURN QUERY SELECT * FROM golden.compare(format('stock_on(%s)', a_day),
            format('SELECT * FROM %s(%L)', stock_on, a_day), per_day);
        RETURN QUERY SELECT * FROM golden.compare(format('inventory_perf.stock_on(%s)', a_day),
            format('SELECT key, quantity, value FROM inventory_perf.stock_on(%L::regclass, %L)', ledger, a_day),
            format('SELECT %s AS key, quantity, %s AS value FROM (%s) AS e', key_object,
                CASE WHEN has_value THEN 'value' ELSE 'NULL' END, per_day));
    END LOOP;

    FOR from_date, to_date IN EXECUTE format($sql$
            SELECT DISTINCT day - before, day + after
            FROM %s, (VALUES (0, 0), (3, 35)) AS range (before, after) ORDER BY 1, 2$sql$, legs) LOOP
        per_period := format($sql$
            SELECT %1$s,
                   coalesce(sum(quantity) FILTER (WHERE day < %3$L), 0) AS opening_quantity,
                   coalesce(sum(quantity) FILTER (WHERE day >= %3$L AND quantity > 0), 0) AS in_quantity,
                   coalesce(-sum(quantity) FILTER (WHERE day >= %3$L AND quantity < 0), 0) AS out_quantity,
                   coalesce(sum(quantity) FILTER (WHERE day >= %3$L), 0) AS total_movements,
                   sum(quantity) AS closing_quantity,
                   count(*) FILTER (WHERE day >= %3$L) AS move_count %5$s
            FROM %2$s WHERE day <= %4$L GROUP BY %1$s$sql$, keys, legs, from_date, to_date,
            CASE WHEN has_value THEN format(', coalesce(sum(value) FILTER (WHERE day < %1$L), 0) AS opening_value,
                coalesce(sum(value) FILTER (WHERE day >= %1$L), 0) AS value_change, sum(value) AS closing_value', from_date)
            ELSE '' END);
        RETURN QUERY SELECT * FROM golden.compare(format('stock_period(%s, %s)', from_date, to_date),
            format('SELECT * FROM %s(%L, %L)', period, from_date, to_date), per_period);
        RETURN QUERY SELECT * FROM golden.compare(format('inventory_perf.stock_period(%s, %s)', from_date, to_date),
            format('SELECT key, %s FROM inventory_perf.stock_period(%L::regclass, %L, %L)', measures, ledger, from_date, to_date),
            format('SELECT %s AS key, %s FROM (%s) AS e', key_object, measures, per_period));

        per_day := format($sql$
            SELECT %1$s, on_day::date AS snapshot_date,
                   coalesce(sum(quantity) FILTER (WHERE day < on_day::date), 0) AS opening_quantity,
                   coalesce(sum(quantity) FILTER (WHERE day = on_day::date AND quantity > 0), 0) AS in_quantity,
                   coalesce(-sum(quantity) FILTER (WHERE day = on_day::date AND quantity < 0), 0) AS out_quantity,
                   coalesce(sum(quantity) FILTER (WHERE day = on_day::date), 0) AS total_movements,
                   coalesce(sum(quantity) FILTER (WHERE day <= on_day::date), 0) AS closing_quantity,
                   count(*) FILTER (WHERE day = on_day::date) AS move_count %5$s
            FROM %2$s, generate_series(%3$L::timestamp, %4$L::timestamp, '1 day') AS on_day
            WHERE day <= %4$L GROUP BY %1$s, on_day$sql$, keys, legs, from_date, to_date,
            CASE WHEN has_value THEN ', coalesce(sum(value) FILTER (WHERE day < on_day::date), 0) AS opening_value,
                coalesce(sum(value) FILTER (WHERE day = on_day::date), 0) AS value_change,
                coalesce(sum(value) FILTER (WHERE day <= on_day::date), 0) AS closing_value' ELSE '' END);
        RETURN QUERY SELECT * FROM golden.compare(format('stock_history(%s, %s)', from_date, to_date),
            format('SELECT * FROM %s(%L, %L)', history, from_date, to_date), per_day);
        RETURN QUERY SELECT * FROM golden.compare(format('inventory_perf.stock_history(%s, %s)', from_date, to_date),
            format('SELECT key, snapshot_date, %s FROM inventory_perf.stock_history(%L::regclass, %L, %L)', measures, ledger, from_date, to_date),
            format('SELECT %s AS key, snapshot_date, %s FROM (%s) AS e', key_object, measures, per_day));
    END LOOP;
    DROP TABLE golden_legs;
END $$;
