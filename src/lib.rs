//! Exact daily stock snapshots for PostgreSQL inventory ledgers.
//!
//! | module | what it is |
//! |---|---|
//! | [`ledger`] | attaching a table of stock movements, and capturing its changes |
//! | [`snapshots`] | filling, folding, reading and auditing daily stock snapshots |
//! | [`cache`] | invalidation trigger, delivery to Redis, cached queries |
//! | [`worker`] | background workers that deliver and fold |
//! | [`advisor`] | index advice |
//! | [`shared_memory`] | what backends and workers share |
//! | [`settings`] | every setting |
//! | [`error`] | the one error type |
//! | [`security`] | whose rights code runs with |
//! | [`attempt`] | work for one ledger that may fail without failing the others |
//! | [`executor`] | queries with the caller's snapshot, row by row |
//! | [`relcache`] | what the relation cache knows, without a lock |
//! | [`invalidation`] | when what a backend remembers is out of date |
//! | [`moved_rows`] | rows that MERGE moves between partitions |
//! | [`trigger_call`], [`event_trigger_call`] | how trigger functions are called |
//! | [`whole_errors`] | errors that pass through arrive as they were raised |
//! | [`versions`] | what differs between versions of PostgreSQL |
//! | [`calendar`], [`decimal`], [`sum`], [`sql`], [`template`] | pure helpers |

use pgrx::prelude::*;

mod advisor;
mod amount;
mod attempt;
mod cache;
mod calendar;
mod decimal;
mod error;
mod event_trigger_call;
mod executor;
mod invalidation;
mod ledger;
mod memory;
mod moved_rows;
mod prepared;
mod relcache;
mod security;
mod settings;
mod shared_memory;
mod snapshots;
mod sql;
mod sum;
mod template;
mod transition_rows;
mod trigger_call;
mod unguarded;
mod versions;
mod whole_errors;
mod worker;

::pgrx::pg_module_magic!(name, version);

extension_sql_file!("../sql/bootstrap.sql", name = "bootstrap", bootstrap);
extension_sql_file!(
    "../sql/ledgers.sql",
    name = "ledgers",
    requires = ["bootstrap"]
);
extension_sql_file!("../sql/reads.sql", name = "reads", requires = ["ledgers"]);
extension_sql_file!(
    "../sql/maintenance.sql",
    name = "maintenance",
    requires = ["reads"]
);
extension_sql_file!(
    "../sql/cache.sql",
    name = "cache",
    requires = ["maintenance"]
);
extension_sql_file!(
    "../sql/cached_query.sql",
    name = "cached_query",
    requires = ["cache"]
);
extension_sql_file!(
    "../sql/worker.sql",
    name = "worker",
    requires = ["cached_query"]
);
extension_sql_file!(
    "../sql/low_stock.sql",
    name = "low_stock",
    requires = ["worker"]
);
extension_sql_file!(
    "../sql/advisor.sql",
    name = "advisor",
    requires = ["low_stock"]
);
extension_sql_file!(
    "../sql/event_triggers.sql",
    name = "event_triggers",
    finalize
);

#[pg_guard]
pub extern "C-unwind" fn _PG_init() {
    whole_errors::register();
    settings::register();
    shared_memory::register();
    worker::register();
    moved_rows::register();
}

#[cfg(any(test, feature = "pg_test"))]
mod pg_tests;

/// Required by `cargo pgrx test` at the root of the crate.
#[cfg(test)]
pub mod pg_test {
    pub fn setup(_options: Vec<&str>) {}

    #[must_use]
    pub fn postgresql_conf_options() -> Vec<&'static str> {
        vec![]
    }
}
