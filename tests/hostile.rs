//! What hostile roles may try: attacks by script, and a random run of all of them at once.
//!
//! Three things are asserted after every step: the server did not crash, nobody gained a right, and
//! what a ledger answers is exact or refused. `INVENTORY_PERF_SEED` chooses what the random run does,
//! `INVENTORY_PERF_HOSTILE_SECONDS` how long it lasts. A failure prints the seed and the last steps.

mod common;

#[path = "hostile/arena.rs"]
mod arena;
#[path = "hostile/canary.rs"]
mod canary;
#[path = "hostile/exact.rs"]
mod exact;
#[path = "hostile/server_log.rs"]
mod server_log;
#[path = "hostile/storm.rs"]
mod storm;

#[path = "hostile/attacks/errors.rs"]
mod errors;
#[path = "hostile/attacks/identity.rs"]
mod identity;
#[path = "hostile/attacks/memory.rs"]
mod memory;
#[path = "hostile/attacks/others.rs"]
mod others;
#[path = "hostile/attacks/rights.rs"]
mod rights;
#[path = "hostile/attacks/snapshots.rs"]
mod snapshots;
#[path = "hostile/attacks/values.rs"]
mod values;

/// Where nobody attacks anything, every question is answered.
#[test]
fn a_quiet_arena_answers_everything() {
    let arena = arena::Arena::open();
    arena.open_ledger("den", "owner");
    arena.judge("nothing has happened");
    let verdict = arena.verdict("reader", &exact::Ledger::in_schema("den"));
    assert_eq!(verdict.refusals, Vec::<String>::new());
    assert_eq!(
        verdict.answered,
        exact::Ledger::in_schema("den").questions().len()
    );
}
