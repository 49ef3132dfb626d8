//! Three equal ledgers for the write benches: bare, with a PL/pgSQL delta log, and attached.

use postgres::Client;

use crate::Bench;
use crate::dataset::{add_covering_index, add_primary_key, attach, create, fold, load};
use crate::measure::{count, each};
use crate::{baseline, dataset};

pub const BARE: &str = "moves_bare";
pub const LOGGED: &str = "moves_logged";
pub const ATTACHED: &str = "moves_attached";

#[derive(Clone, Copy, PartialEq)]
pub enum Indexes {
    /// The primary key alone: what a trigger adds weighs most.
    PrimaryKey,
    /// As on the reference ledger, whose reads need it.
    Covering,
}

/// A database with the three ledgers, each of `rows` moves.
pub fn create_ledgers(bench: &Bench, database: &str, rows: i64, indexes: Indexes) -> Client {
    let mut client = bench.server.create_database(database);
    for table in [BARE, LOGGED, ATTACHED] {
        create(&mut client, &bench.scale, table);
        load(&mut client, &bench.scale, table, rows, dataset::BEGIN);
        add_primary_key(&mut client, table);
        if indexes == Indexes::Covering {
            add_covering_index(&mut client, table);
        }
    }
    attach(&mut client, ATTACHED, "");
    each(
        &mut client,
        &[
            &baseline::delta_log(&bench.scale, LOGGED),
            "VACUUM ANALYZE",
            "CHECKPOINT",
        ],
    );
    client
}

/// What a server does in quiet moments, so that no round pays for the one before it.
pub fn settle(client: &mut Client) {
    fold(client, ATTACHED);
    each(client, &["VACUUM", "CHECKPOINT"]);
}

/// Fails unless all three ledgers hold equal moves and the attached one's snapshots are exact.
pub fn assert_logged(client: &mut Client) {
    dataset::assert_exact(client, ATTACHED);
    let logged = count(
        client,
        &format!("SELECT count(*) FROM {LOGGED}_log HAVING count(*) > 0"),
    );
    eprintln!("   the delta log has {logged} rows");
}
