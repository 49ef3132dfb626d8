//! The outbox: what has become invalid, in the transaction that changed it.
//!
//! A row is appended without a query, as this is on the path of every write. Whoever delivers takes
//! it from there once the transaction has committed.

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::text_array::TextArray;
use crate::error::Failure;
use crate::ledger::keys::copy_varlena;
use crate::ledger::table_writer::TableWriter;
use crate::shared_memory;

/// What one row says. Whatever is set has become invalid, or is to be told.
#[derive(Default)]
pub struct Invalidation {
    /// The table that was written to, or the root of the tree that it belongs to.
    pub relation: Option<pg_sys::Oid>,
    pub operation: Option<&'static str>,
    pub keys: TextArray,
    pub tags: TextArray,
    /// Patterns of keys.
    pub patterns: TextArray,
    pub tag_patterns: TextArray,
    pub channels: TextArray,
    /// Keys of a ledger whose levels changed.
    pub changes: Option<serde_json::Value>,
    /// Everything is invalid.
    pub flush: bool,
    /// More became invalid than was known: there were too many keys to name.
    pub broadened: bool,
}

const COLUMNS: [pg_sys::Oid; 11] = [
    pg_sys::TIMESTAMPTZOID,
    pg_sys::OIDOID,
    pg_sys::TEXTOID,
    pg_sys::TEXTARRAYOID,
    pg_sys::TEXTARRAYOID,
    pg_sys::TEXTARRAYOID,
    pg_sys::TEXTARRAYOID,
    pg_sys::TEXTARRAYOID,
    pg_sys::JSONBOID,
    pg_sys::BOOLOID,
    pg_sys::BOOLOID,
];

/// Appends a row, and has the worker look at it when the transaction has committed.
pub fn append(invalidation: &Invalidation) -> Result<(), Failure> {
    // SAFETY: reads the clock.
    let now = unsafe { pg_sys::GetCurrentTimestamp() };
    let (mut values, mut nulls) = (
        [pg_sys::Datum::from(0); COLUMNS.len()],
        [false; COLUMNS.len()],
    );
    let texts = [
        &invalidation.keys,
        &invalidation.tags,
        &invalidation.patterns,
        &invalidation.tag_patterns,
        &invalidation.channels,
    ];
    values[0] = now.into();
    nulls[1] = invalidation.relation.is_none();
    values[1] = invalidation.relation.unwrap_or(pg_sys::InvalidOid).into();
    nulls[2] = invalidation.operation.is_none();
    values[2] = invalidation.operation.into_datum().unwrap_or(0.into());
    let mut varlena = Vec::new();
    for (value, texts) in values[3..8].iter_mut().zip(texts) {
        varlena.clear();
        texts.write(&mut varlena);
        // SAFETY: write() makes a complete varlena.
        *value = unsafe { copy_varlena(&varlena) };
    }
    let changes = invalidation.changes.clone().map(pgrx::JsonB);
    nulls[8] = changes.is_none();
    values[8] = changes.into_datum().unwrap_or(0.into());
    values[9] = invalidation.flush.into();
    values[10] = invalidation.broadened.into();
    // SAFETY: one datum of the right type for each column.
    unsafe { insert(&mut values, &mut nulls) }?;
    shared_memory::wake_at_commit();
    Ok(())
}

unsafe fn insert(values: &mut [pg_sys::Datum], nulls: &mut [bool]) -> Result<(), Failure> {
    let outbox = relation()?;
    // SAFETY: the relation stays open for the calls, its columns are compared with the datums, and
    // its lock stays until the transaction ends. After an error PostgreSQL closes it.
    unsafe {
        let relation = pg_sys::table_open(outbox, pg_sys::RowExclusiveLock as pg_sys::LOCKMODE);
        let descriptor = pgrx::PgTupleDesc::from_pg_unchecked((*relation).rd_att);
        if !descriptor.iter().map(|column| column.atttypid).eq(COLUMNS) {
            return Err(Failure::new(
                PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                "table inventory_perf.cache_outbox was altered",
            )
            .detail("Its columns are not those that it was created with.")
            .hint("Drop the extension and create it again."));
        }
        drop(descriptor);
        if (*(*relation).rd_rel).relhasindex {
            // Created without one, but its owner may have added some.
            pg_sys::table_close(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
            let mut writer = TableWriter::open(outbox, &COLUMNS, false)?;
            writer.push(values, nulls);
            writer.finish();
            return Ok(());
        }
        let tuple =
            pg_sys::heap_form_tuple((*relation).rd_att, values.as_mut_ptr(), nulls.as_mut_ptr());
        pg_sys::heap_insert(
            relation,
            tuple,
            pg_sys::GetCurrentCommandId(true),
            0,
            std::ptr::null_mut(),
        );
        pg_sys::heap_freetuple(tuple);
        pg_sys::table_close(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
    }
    Ok(())
}

/// The table, which is another one after the extension was dropped and created again.
fn relation() -> Result<pg_sys::Oid, Failure> {
    // SAFETY: catalog look-ups by name.
    let relation = unsafe {
        let schema = pg_sys::get_namespace_oid(c"inventory_perf".as_ptr(), true);
        pg_sys::get_relname_relid(c"cache_outbox".as_ptr(), schema)
    };
    if relation == pg_sys::InvalidOid {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "table inventory_perf.cache_outbox does not exist",
        )
        .hint("Create the extension, or drop the triggers that call invalidate_cache()."));
    }
    Ok(relation)
}
