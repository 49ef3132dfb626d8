//! What a ledger answers is what it says, or an error.

use postgres::{Client, Transaction};

/// A ledger with one product, one location, an integer quantity and a day.
pub struct Ledger {
    pub table: String,
    /// Where what answers is, and what its names begin with.
    pub beside: String,
    /// Key columns, the first of them is asked for alone as well.
    pub keys: &'static str,
    pub quantity: &'static str,
}

impl Ledger {
    pub fn in_schema(schema: &str) -> Self {
        Self {
            table: format!("{schema}.moves"),
            beside: format!("{schema}."),
            keys: "product_id, location_id",
            quantity: "quantity",
        }
    }

    /// Each question: how the ledger itself is asked, and how what was derived from it is.
    pub fn questions(&self) -> Vec<(String, String)> {
        let Self {
            table,
            beside,
            keys,
            quantity,
        } = self;
        let one = keys.split(", ").next().expect("a key");
        let mut questions = vec![
            (
                format!("SELECT {keys}, sum({quantity})::numeric AS quantity FROM {table} GROUP BY {keys}"),
                format!("SELECT {keys}, quantity_on_hand AS quantity FROM {beside}stock_levels"),
            ),
            (
                format!(
                    "SELECT {keys}, moved_at AS day, sum({quantity})::numeric AS quantity, count(*) AS moves
                     FROM {table} GROUP BY {keys}, moved_at"
                ),
                format!(
                    "SELECT {keys}, snapshot_date AS day, total_movements AS quantity, move_count AS moves
                     FROM {beside}daily_stock_snapshots"
                ),
            ),
            (
                format!(
                    "SELECT {keys}, moved_at AS day,
                            sum(sum({quantity})) OVER (PARTITION BY {keys} ORDER BY moved_at)::numeric AS quantity
                     FROM {table} GROUP BY {keys}, moved_at"
                ),
                format!(
                    "SELECT {keys}, snapshot_date AS day, closing_quantity AS quantity
                     FROM {beside}daily_stock_snapshots"
                ),
            ),
        ];
        for day in ["2024-01-20", "2024-02-11", "2024-03-31"] {
            questions.push((
                format!(
                    "SELECT {keys}, sum({quantity})::numeric AS quantity FROM {table}
                     WHERE moved_at <= '{day}' GROUP BY {keys}"
                ),
                format!("SELECT {keys}, quantity FROM {beside}stock_on(date '{day}')"),
            ));
            questions.push((
                format!(
                    "SELECT sum({quantity})::numeric AS quantity FROM {table}
                     WHERE moved_at <= '{day}' AND {one} = 2 HAVING count(*) > 0"
                ),
                format!(
                    "SELECT sum(quantity) AS quantity FROM inventory_perf.stock_on('{table}', date '{day}', '{{\"{one}\": 2}}')
                     HAVING count(*) > 0"
                ),
            ));
        }
        questions.push((
            format!(
                "SELECT {keys}, sum({quantity})::numeric AS quantity FROM {table}
                 WHERE moved_at <= '2024-03-05' GROUP BY {keys}"
            ),
            format!(
                "SELECT {keys}, closing_quantity AS quantity
                 FROM {beside}stock_period(date '2024-01-15', date '2024-03-05')"
            ),
        ));
        questions.push((
            format!(
                "SELECT {keys}, day::date, coalesce(sum({quantity}) FILTER (WHERE moved_at <= day), 0)::numeric AS quantity
                 FROM {table}, generate_series(timestamp '2024-01-29', '2024-02-03', '1 day') day
                 WHERE moved_at <= '2024-02-03' GROUP BY {keys}, day"
            ),
            format!(
                "SELECT {keys}, snapshot_date AS day, closing_quantity AS quantity
                 FROM {beside}stock_history(date '2024-01-29', date '2024-02-03')"
            ),
        ));
        questions
    }

    /// Everything that is answered and is not what the ledger says, in one snapshot; how many
    /// questions were answered.
    pub fn wrong_answers(&self, client: &mut Client) -> Result<Verdict, postgres::Error> {
        let mut verdict = Verdict::default();
        let mut transaction = client
            .build_transaction()
            .isolation_level(postgres::IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()?;
        for (ledger, derived) in self.questions() {
            verdict.ask(&mut transaction, &ledger, &derived);
            if verdict.is_cut_off {
                return Ok(verdict);
            }
        }
        transaction.commit()?;
        Ok(verdict)
    }
}

#[derive(Default)]
pub struct Verdict {
    pub answered: usize,
    pub refusals: Vec<String>,
    pub wrong: Vec<String>,
    pub is_cut_off: bool,
}

impl Verdict {
    pub fn ask(&mut self, transaction: &mut Transaction<'_>, ledger: &str, derived: &str) {
        let Some(expected) = self.rows(transaction, ledger) else {
            return;
        };
        let Some(answer) = self.rows(transaction, derived) else {
            return;
        };
        self.answered += 1;
        if expected != answer {
            self.wrong.push(format!(
                "{}\n  answers {}, but is {}",
                derived.split_whitespace().collect::<Vec<_>>().join(" "),
                shown(&answer, &expected),
                shown(&expected, &answer)
            ));
        }
    }

    fn rows(&mut self, transaction: &mut Transaction<'_>, sql: &str) -> Option<Vec<String>> {
        // Numbers are compared as numbers, whatever their scale.
        let query = format!(
            "SELECT row FROM (
                 SELECT jsonb_object_agg(f.key, CASE WHEN jsonb_typeof(f.value) = 'number'
                            THEN to_jsonb(trim_scale(f.value::text::numeric)) ELSE f.value END)::text AS row
                 FROM (SELECT row_number() OVER () AS number, a.* FROM ({sql}) a) answer,
                      jsonb_each(to_jsonb(answer) - 'number') f
                 GROUP BY answer.number) rows
             ORDER BY row COLLATE \"C\""
        );
        let mut savepoint = match transaction.savepoint("question") {
            Ok(savepoint) => savepoint,
            Err(error) => {
                self.is_cut_off = true;
                self.refusals.push(error.to_string());
                return None;
            }
        };
        match savepoint.query(&query, &[]) {
            Ok(rows) => {
                // What was locked stays locked: nothing is truncated between the two questions.
                let rows = rows.iter().map(|row| row.get(0)).collect();
                savepoint.commit().ok().map(|()| rows)
            }
            Err(error) => {
                self.is_cut_off = error.as_db_error().is_none();
                self.refusals.push(match error.as_db_error() {
                    Some(refusal) => format!("{}: {}", refusal.code().code(), refusal.message()),
                    None => error.to_string(),
                });
                let _ = savepoint.rollback();
                None
            }
        }
    }
}

/// How many rows there are, and the first of those that the other answer has not.
fn shown(rows: &[String], other: &[String]) -> String {
    let first = rows.iter().find(|row| !other.contains(row));
    format!("{} rows {}", rows.len(), first.map_or("", String::as_str))
}
