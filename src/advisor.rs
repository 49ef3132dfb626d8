//! Index advice from the real workload, costed by the planner.
//!
//! | module | what it is |
//! |---|---|
//! | [`advise`] | `advise_indexes()`: from a workload to indexes |
//! | [`evaluate`] | `evaluate_indexes()`: what if these were built |
//! | [`index`] | what an index is: definition, DDL, name |
//! | [`workload`] | the statements to advise for, and what became of each |
//! | [`statement`] | a statement as it is costed |
//! | [`analysis`] | what a statement asks of its tables |
//! | [`facts`] | what catalogs and statistics say of a table |
//! | [`candidates`] | which indexes could help a statement |
//! | [`drops`] | indexes that cost more than they give |
//! | [`world`] | the workload and the indexes considered, as the search sees them |
//! | [`search`] | which indexes to choose |
//! | [`size`] | how large an index will be |
//! | [`sizing`] | size estimates from statistics and samples |
//! | [`sample`] | what a few blocks of a table tell of an index |
//! | [`layout`] | how a B-tree stores the values of a type |
//! | [`writes`] | what indexes make writing more expensive |
//! | [`whatif`] | what the planner would do if indexes were there |
//! | [`by_rule`] | indexes that the planner cannot be asked about |
//! | [`definition`] | definitions from CREATE INDEX statements |
//! | [`recipe`] | the statements that build an index |
//! | [`period`] | what was written in the period of the workload |
//! | [`progress`] | how long a search may take |
//! | [`subtransaction`] | work that may fail by itself |

mod advise;
mod analysis;
mod by_rule;
mod candidates;
mod definition;
mod drops;
mod evaluate;
mod facts;
mod groups;
mod index;
mod layout;
mod period;
mod progress;
mod recipe;
mod relevance;
mod sample;
mod search;
mod size;
mod sizing;
mod statement;
mod subtransaction;
mod whatif;
mod workload;
mod world;
mod writes;

#[cfg(any(test, feature = "pg_test"))]
mod pg_tests;
