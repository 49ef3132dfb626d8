//! Index advice from the real workload, costed by the planner.
//!
//! | module | what it is |
//! |---|---|
//! | [`index`] | what an index is: definition, DDL, name |

#[allow(dead_code)]
pub mod index;
