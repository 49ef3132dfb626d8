//! One statement that asks the extension and the ledger the same question.
//!
//! Both halves stand in one statement, so they see one snapshot at every isolation level. The
//! ledger's half sums the legs afresh; it uses nothing that the extension made.

use postgres::{Client, Error};
use rand::Rng;
use rand::rngs::StdRng;

use super::shape::{Shape, literal, quoted};
use super::values;

pub struct Comparison {
    pub label: String,
    pub sql: String,
}

pub struct Compared {
    /// Rows that the ledger's half came to: a comparison of nothing with nothing shows little.
    pub rows: i64,
    /// Rows that only one half has; empty when they agree.
    pub difference: Option<String>,
}

/// Runs a comparison; the error is the database's own.
pub fn compare(client: &mut Client, comparison: &Comparison) -> Result<Compared, Error> {
    let row = client.query_one(&comparison.sql, &[])?;
    let difference: Option<String> = row.get(1);
    Ok(Compared {
        rows: row.get(0),
        difference: difference
            .map(|rows| format!("{}\n{rows}\n{}", comparison.label, comparison.sql)),
    })
}

#[derive(Clone, Copy, Debug)]
enum Question {
    Snapshots,
    Levels,
    StockOn,
    History,
    Period,
    UntypedStockOn,
    UntypedHistory,
    UntypedPeriod,
    Verify,
}

use Question::*;

const QUESTIONS: [Question; 9] = [
    Snapshots,
    Levels,
    StockOn,
    History,
    Period,
    UntypedStockOn,
    UntypedHistory,
    UntypedPeriod,
    Verify,
];

/// Which part of the answers is asked for.
struct Part {
    /// Key columns that must equal an SQL expression.
    keys: Vec<(&'static str, String)>,
    from: String,
    to: String,
}

impl Comparison {
    pub fn random(rng: &mut StdRng, shape: &Shape) -> Self {
        let question = QUESTIONS[rng.random_range(0..QUESTIONS.len())];
        let part = Part::random(rng, shape, matches!(question, History | UntypedHistory));
        Self::of(question, shape, &part)
    }

    fn of(question: Question, shape: &Shape, part: &Part) -> Self {
        let expected = expected(question, shape, part);
        let answer = answer(question, shape, part);
        let legs = shape.legs;
        let key_filter = part.key_filter();
        let sql = format!(
            "WITH every_leg AS ({legs}),
             legs AS (SELECT * FROM every_leg WHERE {key_filter}),
             expected AS ({expected}),
             answer AS ({answer}),
             difference AS (
                 SELECT 'only the ledger:' AS side, to_jsonb(missing) AS line
                 FROM (SELECT * FROM expected EXCEPT ALL SELECT * FROM answer) AS missing
                 UNION ALL
                 SELECT 'only the answer:', to_jsonb(wrong)
                 FROM (SELECT * FROM answer EXCEPT ALL SELECT * FROM expected) AS wrong)
             SELECT (SELECT count(*) FROM {counted}),
                    (SELECT string_agg(side || ' ' || line, E'\\n')
                     FROM (SELECT * FROM difference LIMIT 6) AS first)",
            counted = if matches!(question, Verify) {
                "legs"
            } else {
                "expected"
            },
        );
        let label = format!(
            "{question:?} of {} where {key_filter}, {} to {}",
            shape.name, part.from, part.to
        );
        Self { label, sql }
    }
}

/// Every question once, about everything: for a ledger at rest.
pub fn every_comparison(shape: &Shape) -> Vec<Comparison> {
    let whole = |from: &str, to: &str| Part {
        keys: Vec::new(),
        from: format!("'{from}'::date"),
        to: format!("'{to}'::date"),
    };
    QUESTIONS
        .iter()
        .map(|&question| {
            let part = match question {
                // One row per key and day: thousands of years would be millions of rows.
                History | UntypedHistory => whole("2023-12-20", "2024-04-10"),
                Snapshots => whole("-infinity", "infinity"),
                _ => whole("2024-02-10", "2024-03-20"),
            };
            Comparison::of(question, shape, &part)
        })
        .collect()
}

impl Part {
    fn random(rng: &mut StdRng, shape: &Shape, short: bool) -> Self {
        let mut keys = Vec::new();
        for key in shape.keys {
            if rng.random_bool(0.3)
                && let Some(value) = (key.sample)(rng)
            {
                keys.push((key.name, literal(&Some(value), key.sql_type)));
            }
        }
        let (from, to) = if short {
            let year = rng.random_range(2023..=2024);
            let from = values::day_of(rng, year..=year, 1..=12);
            let days = rng.random_range(0..70);
            (
                format!("'{from}'::date"),
                format!("('{from}'::date + {days})"),
            )
        } else {
            let (one, other) = (values::any_day(rng), values::any_day(rng));
            (
                format!("least('{one}'::date, '{other}'::date)"),
                format!("greatest('{one}'::date, '{other}'::date)"),
            )
        };
        Self { keys, from, to }
    }

    fn key_filter(&self) -> String {
        let conditions = self
            .keys
            .iter()
            .map(|(name, value)| format!("{} = {value}", quoted(name)));
        let conditions: Vec<String> = conditions.collect();
        if conditions.is_empty() {
            "true".to_owned()
        } else {
            conditions.join(" AND ")
        }
    }

    fn key_argument(&self) -> String {
        let pairs: Vec<String> = self
            .keys
            .iter()
            .map(|(name, value)| format!("'{name}', {value}"))
            .collect();
        format!("jsonb_build_object({})", pairs.join(", "))
    }
}

/// The measures of one day or period, in the order of the documented columns.
fn measures(shape: &Shape, untyped: bool) -> &'static str {
    match (shape.has_value, untyped) {
        (false, false) => {
            "opening_quantity, in_quantity, out_quantity, total_movements, closing_quantity, \
             move_count"
        }
        _ => {
            "opening_quantity, in_quantity, out_quantity, total_movements, closing_quantity, \
             move_count, opening_value, value_change, closing_value"
        }
    }
}

fn expected(question: Question, shape: &Shape, part: &Part) -> String {
    let keys = shape.key_list();
    let (from, to) = (&part.from, &part.to);
    let key_object = shape.key_object();
    let untyped = matches!(question, UntypedStockOn | UntypedHistory | UntypedPeriod);
    let measures = measures(shape, untyped);
    // Without a value the untyped functions still have its columns.
    let legs = if shape.has_value {
        "legs".to_owned()
    } else {
        format!("(SELECT {keys}, day, quantity, NULL::numeric AS value FROM legs) AS legs")
    };
    let ins = "coalesce(sum(quantity) FILTER (WHERE quantity > 0";
    let outs = "coalesce(-sum(quantity) FILTER (WHERE quantity < 0";
    match question {
        Snapshots => format!(
            "SELECT {keys}, snapshot_date, {measures} FROM (
                 SELECT {keys}, day AS snapshot_date,
                        sum(net) OVER days - net AS opening_quantity, in_quantity, out_quantity,
                        net AS total_movements, sum(net) OVER days AS closing_quantity, move_count,
                        sum(worth) OVER days - worth AS opening_value, worth AS value_change,
                        sum(worth) OVER days AS closing_value
                 FROM (SELECT {keys}, day, {ins}), 0) AS in_quantity,
                              {outs}), 0) AS out_quantity, sum(quantity) AS net,
                              count(*) AS move_count, sum(value) AS worth
                       FROM {legs} GROUP BY {keys}, day) AS sums
                 WINDOW days AS (PARTITION BY {keys} ORDER BY day)) AS balances
             WHERE snapshot_date BETWEEN {from} AND {to}"
        ),
        Levels => format!(
            "SELECT {keys}, sum(quantity), max(day){} FROM {legs} GROUP BY {keys}",
            if shape.has_value { ", sum(value)" } else { "" }
        ),
        StockOn => format!(
            "SELECT {keys}, sum(quantity){} FROM {legs} WHERE day <= {to} GROUP BY {keys}",
            if shape.has_value { ", sum(value)" } else { "" }
        ),
        UntypedStockOn => format!(
            "SELECT {key_object}, sum(quantity), sum(value) FROM {legs} WHERE day <= {to} \
             GROUP BY {keys}"
        ),
        Period | UntypedPeriod => {
            let key = if untyped {
                format!("{key_object} AS key")
            } else {
                keys.clone()
            };
            let selected = if untyped { "key" } else { &keys };
            let days = format!("day BETWEEN {from} AND {to}");
            let value = |filter: &str| match shape.has_value {
                true => format!("coalesce(sum(value) FILTER (WHERE {filter}), 0)"),
                false => "NULL::numeric".to_owned(),
            };
            format!(
                "SELECT {selected}, {measures} FROM (
                     SELECT {key},
                            coalesce(sum(quantity) FILTER (WHERE day < {from}), 0)
                                AS opening_quantity,
                            {ins} AND {days}), 0) AS in_quantity,
                            {outs} AND {days}), 0) AS out_quantity,
                            coalesce(sum(quantity) FILTER (WHERE {days}), 0) AS total_movements,
                            sum(quantity) AS closing_quantity,
                            count(*) FILTER (WHERE {days}) AS move_count,
                            {} AS opening_value, {} AS value_change, {} AS closing_value
                     FROM {legs} WHERE day <= {to} GROUP BY {keys}) AS sums",
                value(&format!("day < {from}")),
                value(&days),
                value("true"),
            )
        }
        History | UntypedHistory => {
            let key = if untyped {
                format!("{key_object} AS key")
            } else {
                keys.clone()
            };
            let selected = if untyped { "key" } else { &keys };
            let value = |sum: &str| match shape.has_value {
                true => format!("coalesce({sum}, 0)"),
                false => "NULL::numeric".to_owned(),
            };
            format!(
                "SELECT {selected}, snapshot_date, {measures} FROM (
                     SELECT {key}, snapshot_date,
                            coalesce(before.net, 0) + sum(coalesce(days.net, 0)) OVER calendar
                                - coalesce(days.net, 0) AS opening_quantity,
                            coalesce(in_quantity, 0) AS in_quantity,
                            coalesce(out_quantity, 0) AS out_quantity,
                            coalesce(days.net, 0) AS total_movements,
                            coalesce(before.net, 0) + sum(coalesce(days.net, 0)) OVER calendar
                                AS closing_quantity,
                            coalesce(move_count, 0) AS move_count,
                            {before} + sum({change}) OVER calendar - {change} AS opening_value,
                            {change} AS value_change,
                            {before} + sum({change}) OVER calendar AS closing_value
                     FROM (SELECT DISTINCT {keys} FROM legs WHERE day <= {to}) AS keys
                     CROSS JOIN (SELECT {from} + number AS snapshot_date
                                 FROM generate_series(0, {to} - {from}) AS number) AS dates
                     LEFT JOIN (SELECT {keys}, day AS snapshot_date, {ins}), 0) AS in_quantity,
                                       {outs}), 0) AS out_quantity, sum(quantity) AS net,
                                       count(*) AS move_count, sum(value) AS worth
                                FROM legs WHERE day BETWEEN {from} AND {to}
                                GROUP BY {keys}, day) AS days USING ({keys}, snapshot_date)
                     LEFT JOIN (SELECT {keys}, sum(quantity) AS net, sum(value) AS worth
                                FROM legs WHERE day < {from} GROUP BY {keys}) AS before
                         USING ({keys})
                     WINDOW calendar AS (PARTITION BY {keys} ORDER BY snapshot_date)) AS history",
                before = value("before.worth"),
                change = value("days.worth"),
            )
        }
        Verify => "SELECT NULL::jsonb, NULL::date, NULL::text, NULL::numeric, NULL::numeric \
                   WHERE false"
            .to_owned(),
    }
}

fn answer(question: Question, shape: &Shape, part: &Part) -> String {
    let keys = shape.key_list();
    let filter = part.key_filter();
    let (from, to) = (&part.from, &part.to);
    let (ledger, key_argument) = (shape.regclass(), part.key_argument());
    let measures_here = measures(shape, false);
    let measures_untyped = measures(shape, true);
    match question {
        Snapshots => format!(
            "SELECT {keys}, snapshot_date, {measures_here} FROM {} \
             WHERE {filter} AND snapshot_date BETWEEN {from} AND {to}",
            shape.derived("daily_stock_snapshots")
        ),
        Levels => format!(
            "SELECT {keys}, quantity_on_hand, last_moved_on{} FROM {} WHERE {filter}",
            if shape.has_value { ", stock_value" } else { "" },
            shape.derived("stock_levels")
        ),
        StockOn => format!(
            "SELECT {keys}, quantity{} FROM {}({to}) WHERE {filter}",
            if shape.has_value { ", value" } else { "" },
            shape.derived("stock_on")
        ),
        History => format!(
            "SELECT {keys}, snapshot_date, {measures_here} FROM {}({from}, {to}) WHERE {filter}",
            shape.derived("stock_history")
        ),
        Period => format!(
            "SELECT {keys}, {measures_here} FROM {}({from}, {to}) WHERE {filter}",
            shape.derived("stock_period")
        ),
        UntypedStockOn => format!(
            "SELECT key, quantity, value \
             FROM inventory_perf.stock_on({ledger}, {to}, {key_argument})"
        ),
        UntypedHistory => format!(
            "SELECT key, snapshot_date, {measures_untyped} \
             FROM inventory_perf.stock_history({ledger}, {from}, {to}, {key_argument})"
        ),
        UntypedPeriod => format!(
            "SELECT key, {measures_untyped} \
             FROM inventory_perf.stock_period({ledger}, {from}, {to}, {key_argument})"
        ),
        Verify => format!(
            "SELECT key, snapshot_date, measure, ledger_value, snapshot_value \
             FROM inventory_perf.verify_ledger({ledger}, {from}, {to})"
        ),
    }
}
