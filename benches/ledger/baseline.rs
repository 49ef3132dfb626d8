//! What a user of plain PostgreSQL would write instead.

use crate::scale::Scale;

/// The day of a move, as the extension counts days.
pub fn day(scale: &Scale) -> &'static str {
    if scale.moved_at_type.starts_with("timestamptz") {
        "(moved_at AT TIME ZONE 'UTC')::date"
    } else {
        "moved_at::date"
    }
}

/// Daily snapshots made once, by a window query over daily sums.
pub fn daily_snapshots(scale: &Scale) -> String {
    format!(
        "SELECT tenant_id, product_id, snapshot_date,
                closing_quantity - total_movements AS opening_quantity,
                in_quantity, out_quantity, total_movements, closing_quantity, move_count
         FROM (SELECT *, sum(total_movements) OVER (
                             PARTITION BY tenant_id, product_id ORDER BY snapshot_date
                         ) AS closing_quantity
               FROM (SELECT tenant_id, product_id, {day} AS snapshot_date,
                            coalesce(sum(quantity) FILTER (WHERE quantity > 0), 0) AS in_quantity,
                            coalesce(-sum(quantity) FILTER (WHERE quantity < 0), 0) AS out_quantity,
                            sum(quantity) AS total_movements,
                            count(*) AS move_count
                     FROM stock_moves
                     GROUP BY tenant_id, product_id, {day}) AS day) AS balanced",
        day = day(scale)
    )
}

/// Stock of the keys that `keys` selects (a condition) at the end of a day.
pub fn stock_on(ledger: &str, as_of: &str, keys: &str) -> String {
    format!(
        "SELECT tenant_id, product_id, sum(quantity) AS quantity
         FROM {ledger}
         WHERE moved_at < {as_of} + 1 AND {keys}
         GROUP BY tenant_id, product_id"
    )
}

/// The same from stored snapshots: the last one of each key up to the day.
pub fn stock_on_from_snapshots(as_of: &str) -> String {
    format!(
        "SELECT key.tenant_id, key.product_id, last.closing_quantity AS quantity
         FROM (SELECT tenant_id, product_id FROM plain_keys) AS key
         CROSS JOIN LATERAL (
             SELECT closing_quantity
             FROM plain_daily
             WHERE tenant_id = key.tenant_id AND product_id = key.product_id
               AND snapshot_date <= {as_of}
             ORDER BY snapshot_date DESC
             LIMIT 1) AS last"
    )
}

pub fn stock_period(ledger: &str, from: &str, to: &str) -> String {
    format!(
        "SELECT tenant_id, product_id,
                coalesce(sum(quantity) FILTER (WHERE moved_at < {from}), 0) AS opening_quantity,
                coalesce(sum(quantity) FILTER (WHERE moved_at >= {from} AND quantity > 0), 0)
                    AS in_quantity,
                coalesce(-sum(quantity) FILTER (WHERE moved_at >= {from} AND quantity < 0), 0)
                    AS out_quantity,
                coalesce(sum(quantity) FILTER (WHERE moved_at >= {from}), 0) AS total_movements,
                sum(quantity) AS closing_quantity,
                count(*) FILTER (WHERE moved_at >= {from}) AS move_count
         FROM {ledger}
         WHERE moved_at < {to} + 1
         GROUP BY tenant_id, product_id"
    )
}

/// Every day's closing balance of one key.
pub fn stock_history(scale: &Scale, ledger: &str, from: &str, to: &str, key: &str) -> String {
    format!(
        "SELECT snapshot_date, sum(quantity) OVER (ORDER BY snapshot_date) AS closing_quantity
         FROM (SELECT snapshot_date, coalesce(sum(quantity), 0) AS quantity
               FROM (SELECT greatest({day}, {from}) AS snapshot_date, quantity
                     FROM {ledger}
                     WHERE moved_at < {to} + 1 AND {key}) AS move
               RIGHT JOIN (SELECT ({from} + number) AS snapshot_date
                           FROM generate_series(0, {to} - {from}) AS number) AS day
               USING (snapshot_date)
               GROUP BY snapshot_date) AS day",
        day = day(scale)
    )
}

/// The trigger that people write in PL/pgSQL to log changes for a later fold.
pub fn delta_log(scale: &Scale, ledger: &str) -> String {
    let day = day(scale);
    let log = |events: &str, sums: &[(&str, &str)]| {
        let rows: Vec<String> = sums
            .iter()
            .map(|(sign, rows)| {
                format!(
                    "SELECT tenant_id, product_id, {day} AS day, {sign}sum(quantity) AS quantity
                     FROM {rows} GROUP BY tenant_id, product_id, {day}"
                )
            })
            .collect();
        let references: Vec<&str> = sums
            .iter()
            .map(|(_, rows)| match *rows {
                "old_rows" => "OLD TABLE AS old_rows",
                _ => "NEW TABLE AS new_rows",
            })
            .collect();
        let event = events.to_lowercase();
        format!(
            "CREATE FUNCTION {ledger}_log_{event}() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN
                 INSERT INTO {ledger}_log (tenant_id, product_id, day, quantity) {rows};
                 RETURN NULL;
             END $$;
             CREATE TRIGGER log_{event} AFTER {events} ON {ledger} REFERENCING {references}
             FOR EACH STATEMENT EXECUTE FUNCTION {ledger}_log_{event}();",
            rows = rows.join(" UNION ALL "),
            references = references.join(" "),
        )
    };
    format!(
        "CREATE TABLE {ledger}_log (
             id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
             tenant_id integer, product_id integer, day date, quantity numeric);
         {} {} {}",
        log("INSERT", &[("", "new_rows")]),
        log("UPDATE", &[("-", "old_rows"), ("", "new_rows")]),
        log("DELETE", &[("-", "old_rows")]),
    )
}
