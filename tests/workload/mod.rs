//! Random concurrent work on a ledger, and comparisons of every answer with the ledger itself.
//!
//! A [`Shape`] is one kind of ledger. A [`Load`] runs writers, folders and comparers on it. What
//! they choose to do depends on the seed alone, so a failure can be looked at again; what they
//! meet depends on how the server interleaves them.

// Every test program compiles this module and uses a part of it.
#![allow(dead_code, unused_imports)]

mod comparison;
mod load;
mod plan;
mod shape;
mod shapes;
mod values;
mod writer;

pub use comparison::{Comparison, compare, every_comparison};
pub use load::{Load, Outcome, Scale};
pub use plan::{documents, filling};
pub use shape::Shape;
pub use shapes::{ALL, FLOAT, NETTED, ODOO, PARTITIONED, PLAIN, QUOTED};

use postgres::Client;
use rand::SeedableRng;
use rand::rngs::StdRng;

/// The seed of this run: `INVENTORY_PERF_SEED`, else a constant, so that a red run stays red.
pub fn seed() -> u64 {
    match std::env::var("INVENTORY_PERF_SEED") {
        Ok(text) => text.parse().expect("INVENTORY_PERF_SEED must be a number"),
        Err(_) => 20_240_229,
    }
}

/// A generator of its own for every session, so that no session's choices depend on another's.
pub fn generator(seed: u64, shape: &Shape, session: &str) -> StdRng {
    // FNV-1a: the standard library's hashes may differ between releases.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ seed;
    for byte in shape.name.bytes().chain(session.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    StdRng::seed_from_u64(hash)
}

/// Asks every question about everything, and panics when an answer is not the ledger's.
pub fn assert_exact(client: &mut Client, shape: &Shape, when: &str) {
    for comparison in every_comparison(shape) {
        let compared = compare(client, &comparison)
            .unwrap_or_else(|error| panic!("{when}: {}: {error:?}", comparison.label));
        if let Some(difference) = compared.difference {
            panic!("{when}: {difference}");
        }
    }
}
