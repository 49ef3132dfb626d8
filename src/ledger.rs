//! What a ledger is: its mapping, how it is attached and how its changes are captured.

pub mod attach;
pub mod capture;
pub mod detach;
pub mod detaching;
pub mod detection;
pub mod drops;
pub mod errors;
pub mod expressions;
pub mod following;
pub mod integrity;
pub mod key_types;
pub mod keys;
pub mod legs;
pub mod mapping;
pub mod mapping_view;
pub mod members;
pub mod objects;
pub mod registry;
pub mod single_row;
pub mod storage_row;
pub mod stored_table;
pub mod table_writer;
pub mod triggers;
