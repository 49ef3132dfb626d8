//! What a statement asks of its tables: the query tree, as the planner has prepared it, made a
//! [`shape::QueryShape`].

pub mod shape;
