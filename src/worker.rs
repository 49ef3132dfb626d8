//! The background workers: a launcher, and in each database that has the extension one worker that
//! delivers invalidations and, where there are ledgers, one that folds them.
//!
//! They exist only when `shared_preload_libraries` names the library. Everything they do, a session
//! can do by calling functions.

mod backoff;
mod databases;
mod deliverer;
mod folder;
mod hooks;
mod launcher;
mod pace;
mod process;
mod status;
mod vacuum;

use pgrx::bgworkers::{BackgroundWorkerBuilder, BgWorkerStartTime};
use pgrx::pg_sys;
use pgrx::prelude::*;
use std::time::Duration;

use crate::shared_memory;

/// What pg_stat_activity shows as backend_type.
const LAUNCHER: &str = "inventory_perf launcher";
const DELIVERER: &str = "inventory_perf worker";
const FOLDER: &str = "inventory_perf fold worker";

/// Called while the library is loaded.
pub fn register() {
    if !shared_memory::is_available() {
        return;
    }
    hooks::register();
    // Not before recovery has ended: on a standby there is nothing that it could do.
    builder(LAUNCHER, "inventory_perf_launcher")
        .set_restart_time(Some(Duration::from_secs(1)))
        .load();
}

fn builder(name: &str, function: &str) -> BackgroundWorkerBuilder {
    BackgroundWorkerBuilder::new(name)
        .set_type(name)
        .set_library("inventory_perf")
        .set_function(function)
        .enable_spi_access()
        .set_start_time(BgWorkerStartTime::RecoveryFinished)
}

#[unsafe(no_mangle)]
#[pg_guard]
pub extern "C-unwind" fn inventory_perf_launcher(_argument: pg_sys::Datum) {
    launcher::main();
}

#[unsafe(no_mangle)]
#[pg_guard]
pub extern "C-unwind" fn inventory_perf_deliverer(database: pg_sys::Datum) {
    deliverer::main(pg_sys::Oid::from(database.value() as u32));
}

#[unsafe(no_mangle)]
#[pg_guard]
pub extern "C-unwind" fn inventory_perf_folder(database: pg_sys::Datum) {
    folder::main(pg_sys::Oid::from(database.value() as u32));
}
