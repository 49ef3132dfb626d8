//! Index advice from the real workload, costed by the planner.
//!
//! | module | what it is |
//! |---|---|
//! | [`index`] | what an index is: definition, DDL, name |
//! | [`workload`] | the statements to advise for, and what became of each |
//! | [`statement`] | a statement as it is costed |
//! | [`analysis`] | what a statement asks of its tables |
//! | [`facts`] | what catalogs and statistics say of a table |
//! | [`candidates`] | which indexes could help a statement |
//! | [`drops`] | indexes that cost more than they give |

#[allow(dead_code)]
pub mod analysis;
#[allow(dead_code)]
mod attempt;
#[allow(dead_code)]
pub mod candidates;
pub mod drops;
#[allow(dead_code)]
pub mod facts;
#[allow(dead_code)]
pub mod index;
#[allow(dead_code)]
pub mod statement;
#[allow(dead_code)]
pub mod workload;

#[cfg(any(test, feature = "pg_test"))]
mod pg_tests;
