//! Counters that only grow, sessions that raise them, and readers that check every answer.
//!
//! A reader notes, before it asks, what every counter had reached when its writer was told of the
//! commit. No answer may be older. How the readers and the writers come to their answers is theirs:
//! through the extension, or through a protocol that this test runs itself over the same servers.

// Every test program compiles this module and uses a part of it.
#![allow(dead_code, unused_imports)]

mod extension;
mod hazards;
mod history;
mod inspect;
mod load;
mod rival;
mod trial;

pub use extension::{Delivery, Extension, SCHEMA, SETTINGS, TransactionalWriter};
pub use hazards::{Disturbance, pauses};
pub use history::{COUNTERS, History};
pub use inspect::{ValidEntry, own_name, stamp_name, valid_entries, valid_entries_in_tables};
pub use load::{Answer, Ending, Floor, Load, Outcome, Reader, Stale, Writer, microseconds};
pub use rival::{Flaw, Rival};
pub use trial::{LONGEST_PAUSE, Setup, run};
