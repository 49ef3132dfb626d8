//! The store in tables of the database, for when no Redis is configured.

use std::time::Duration;

use super::names::{EntryName, PatternKind, StampName};
use super::store::{
    Delivered, Delivery, Reading, Result, ScanPosition, ScanStep, ServerStatus, Store, StoreError,
    StoredReading, Trouble,
};

pub struct TableStore;

fn missing<T>() -> Result<T> {
    Err(StoreError::new(
        Trouble::Configuration,
        "no Redis is configured",
    ))
}

impl Store for TableStore {
    fn read(&mut self, _: &EntryName, _: &[StampName]) -> Result<Reading> {
        missing()
    }
    fn read_stored(&mut self, _: &[EntryName], _: bool) -> Result<StoredReading> {
        missing()
    }
    fn create_stamps(&mut self, _: &[StampName], _: Duration) -> Result<Option<Vec<String>>> {
        missing()
    }
    fn write(&mut self, _: &[(EntryName, Vec<u8>)], _: Duration) -> Result<()> {
        missing()
    }
    fn begin_fill(&mut self, _: &str, _: Duration) -> Result<bool> {
        missing()
    }
    fn end_fill(&mut self, _: &str) -> Result<()> {
        missing()
    }
    fn deliver(&mut self, _: &Delivery) -> Result<Delivered> {
        missing()
    }
    fn set_epoch(&mut self, _: &str, _: u64) -> Result<()> {
        missing()
    }
    fn epoch(&mut self) -> Result<Delivered> {
        missing()
    }
    fn renew_lease(&mut self, _: &str, _: Duration) -> Result<bool> {
        missing()
    }
    fn remove_matching(&mut self, _: PatternKind, _: &str, _: ScanPosition) -> Result<ScanStep> {
        missing()
    }
    fn status(&mut self) -> Result<ServerStatus> {
        missing()
    }
}
