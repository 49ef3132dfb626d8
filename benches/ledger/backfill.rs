//! Building the daily snapshots of the reference ledger.

use postgres::Client;

use crate::dataset::{attach, detach, reference};
use crate::measure::{alternate, assert_same_rows, count, each, seconds};
use crate::report::{Target, duration, grouped};
use crate::{Bench, baseline};

pub fn run(bench: &mut Bench) {
    let mut client = reference(bench);
    let snapshots = baseline::daily_snapshots(&bench.scale);

    let plain = |client: &mut Client, _: usize| {
        each(client, &["DROP TABLE IF EXISTS plain_daily", "CHECKPOINT"]);
        seconds(client, &format!("CREATE TABLE plain_daily AS {snapshots}"))
            + seconds(
                client,
                "ALTER TABLE plain_daily ADD PRIMARY KEY (tenant_id, product_id, snapshot_date)",
            )
    };
    let extension = |client: &mut Client, _: usize| {
        if count(client, "SELECT count(*) FROM inventory_perf.ledgers") > 0 {
            detach(client, "stock_moves");
        }
        each(client, &["CHECKPOINT"]);
        attach(client, "stock_moves", "")
    };
    let rounds = alternate(&mut client, bench.scale.rounds, &[&plain, &extension]);

    let key_days = count(&mut client, "SELECT count(*) FROM plain_daily");
    bench.report.ratio(
        format!(
            "`attach_ledger` of the whole ledger ({} key-days) against CREATE TABLE AS with a \
             window query and its primary key",
            grouped(key_days as f64)
        ),
        duration(rounds.median(1)),
        duration(rounds.median(0)),
        rounds.ratio(1, 0),
        Some(Target::AtMost(0.7)),
    );

    each(&mut client, &["VACUUM ANALYZE", "SET work_mem = '256MB'"]);
    assert_same_rows(
        &mut client,
        "TABLE plain_daily",
        "TABLE daily_stock_snapshots",
    );
    each(&mut client, &["RESET work_mem", "DROP TABLE plain_daily"]);
}
