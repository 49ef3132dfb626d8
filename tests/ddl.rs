//! What happens to a ledger when its table, or anything else around it, is altered, renamed,
//! dropped, partitioned, disabled, detached or scheduled.

mod common;

#[path = "ddl/altering.rs"]
mod altering;
#[path = "ddl/dropping.rs"]
mod dropping;
#[path = "ddl/jobs.rs"]
mod jobs;
#[path = "ddl/parts.rs"]
mod parts;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use common::{Ask, Cluster};
use postgres::Client;
use postgres::error::SqlState;

fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::with_test_settings().start())
}

fn database() -> Client {
    cluster().connect(&cluster().database())
}

/// A database with an attached ledger `shop.moves`: some days folded, some pending.
fn shop() -> Client {
    let mut client = database();
    client.run(
        "CREATE SCHEMA shop;
         CREATE TABLE shop.moves (
             id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
             product_id int, quantity numeric(12, 2), moved_at date, note text);
         INSERT INTO shop.moves (product_id, quantity, moved_at)
         SELECT number % 3, number, date '2024-01-01' + number % 100
         FROM generate_series(1, 200) AS number;
         SELECT inventory_perf.attach_ledger('shop.moves');
         INSERT INTO shop.moves (product_id, quantity, moved_at)
         VALUES (1, 5, '2024-02-02'), (7, -3, '2023-05-05')",
    );
    client
}

/// Holds the answers against sums over the ledger; all names may have changed since attaching.
fn assert_exact(client: &mut Client, ledger: &str, product: &str, schema: &str) {
    assert_eq!(
        client.rows(&format!(
            "SELECT product_id, quantity_on_hand, last_moved_on FROM {schema}.stock_levels
             ORDER BY 1"
        )),
        client.rows(&format!(
            "SELECT {product}, sum(quantity), max(moved_at) FROM {ledger} GROUP BY 1 ORDER BY 1"
        )),
    );
    assert_eq!(
        client.rows(&format!(
            "SELECT product_id, snapshot_date, total_movements, closing_quantity, move_count
             FROM {schema}.daily_stock_snapshots ORDER BY 1, 2"
        )),
        client.rows(&format!(
            "SELECT {product}, moved_at, sum(quantity),
                    sum(sum(quantity)) OVER (PARTITION BY {product} ORDER BY moved_at), count(*)
             FROM {ledger} GROUP BY 1, 2 ORDER BY 1, 2"
        )),
    );
    assert_eq!(
        client.rows(&format!(
            "SELECT product_id, quantity FROM {schema}.stock_on('2024-02-15') ORDER BY 1"
        )),
        client.rows(&format!(
            "SELECT {product}, sum(quantity) FROM {ledger} WHERE moved_at <= '2024-02-15'
             GROUP BY 1 ORDER BY 1"
        )),
    );
    let verify = format!("SELECT * FROM inventory_perf.verify_ledger('{ledger}')");
    assert_eq!(client.rows(&verify), Vec::<String>::new());
}

fn assert_shop_exact(client: &mut Client) {
    assert_exact(client, "shop.moves", "product_id", "shop");
}

fn fold(client: &mut Client) {
    client.run("SELECT inventory_perf.populate_daily_stock_snapshots()");
}

fn ledgers(client: &mut Client) -> Vec<String> {
    client.rows("SELECT ledger, state FROM inventory_perf.ledgers ORDER BY 1")
}

/// Relations and functions of the schemas that attaching may have written to.
fn objects(client: &mut Client) -> Vec<String> {
    client.rows(
        "SELECT oid::regclass::text AS name FROM pg_class
         WHERE relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('shop', 'public'))
           AND relkind IN ('r', 'v', 'p')
         UNION ALL
         SELECT oid::regprocedure::text FROM pg_proc
         WHERE pronamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('shop', 'public'))
         ORDER BY 1",
    )
}
