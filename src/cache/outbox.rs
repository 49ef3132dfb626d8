//! The outbox: what has become invalid, in the transaction that changed it.
//!
//! Rows are appended without a query, as this is on the path of every write. Whoever delivers takes
//! it from there once the transaction has committed.

mod parts;

use pgrx::pg_sys;
use pgrx::prelude::*;
use std::cell::{Cell, RefCell};

use self::parts::Part;
use super::recent::{Recent, Scope};
use super::text_array::{Piece, TextArray};
use crate::error::Failure;
use crate::invalidation;
use crate::ledger::single_row::append_row;
use crate::shared_memory;
use crate::unguarded::{self as backend, under_one_guard};

/// What one statement says. Whatever is set has become invalid, or is to be told.
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

pub const COLUMNS: [pg_sys::Oid; 12] = [
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
    pg_sys::INT4OID,
];

thread_local! {
    static RECENT: RefCell<Recent> = RefCell::default();
}

/// Appends what is to be said, and has the worker look at it when the transaction has committed.
pub fn append(invalidation: &Invalidation) -> Result<(), Failure> {
    let outbox = relation()?;
    // SAFETY: reads the clock.
    let captured_at = unsafe { pg_sys::GetCurrentTimestamp() };
    let parts = invalidation.parts();
    for (position, part) in parts.iter().enumerate() {
        let (row, places) = invalidation.to_bytes(outbox, part, position == 0);
        let scope = scope();
        if parts.len() == 1 && RECENT.with_borrow_mut(|recent| recent.is_repeated(scope, &row)) {
            return Ok(());
        }
        let number = if parts.len() == 1 { 0 } else { position + 1 };
        let mut values = [pg_sys::Datum::from(0); COLUMNS.len()];
        let mut nulls = [false; COLUMNS.len()];
        values[0] = captured_at.into();
        // SAFETY: the copy lives as long as the current memory context, and each of its places is
        // where a complete varlena begins, aligned as PostgreSQL aligns arrays.
        unsafe {
            let arrays = pg_sys::palloc(row.len()).cast::<u8>();
            std::ptr::copy_nonoverlapping(row.as_ptr(), arrays, row.len());
            for (column, place) in (3..).zip(places) {
                match place {
                    Some(place) => values[column] = pg_sys::Datum::from(arrays.add(place)),
                    None => nulls[column] = true,
                }
            }
        }
        nulls[1] = invalidation.relation.is_none();
        values[1] = invalidation.relation.unwrap_or(pg_sys::InvalidOid).into();
        nulls[2] = invalidation.operation.is_none();
        values[2] = invalidation.operation.into_datum().unwrap_or(0.into());
        let changes = invalidation.changes.as_ref().filter(|_| position == 0);
        let changes = changes.map(|changes| pgrx::JsonB(changes.clone()));
        nulls[8] = changes.is_none();
        values[8] = changes.into_datum().unwrap_or(0.into());
        values[9] = invalidation.flush.into();
        values[10] = invalidation.broadened.into();
        values[11] = number.into();
        // SAFETY: one datum of the right type for each column.
        unsafe { append_row(outbox, &COLUMNS, &mut values, &mut nulls, |_| altered()) }?;
    }
    shared_memory::wake_at_commit();
    Ok(())
}

/// How many rows a trigger that is fired for each row has written in this transaction, the one that
/// is to come included.
pub fn count_row(trigger: pg_sys::Oid) -> usize {
    let scope = scope();
    RECENT.with_borrow_mut(|recent| recent.count(scope, trigger.to_u32()))
}

/// The number of this transaction, which writes anyway.
pub fn transaction() -> u64 {
    scope().0
}

/// This transaction and subtransaction.
fn scope() -> Scope {
    // SAFETY: the first assigns a transaction ID unless there is one, the second reads a variable;
    // nothing here is to be dropped.
    unsafe {
        under_one_guard(|| {
            (
                backend::GetTopFullTransactionId().value,
                backend::GetCurrentSubTransactionId(),
            )
        })
    }
}

impl Invalidation {
    fn parts(&self) -> Vec<Part> {
        let changes = self
            .changes
            .as_ref()
            .map_or(0, |keys| keys.to_string().len());
        let others = [&self.patterns, &self.tag_patterns, &self.channels];
        let others = others.iter().map(|array| array.size()).sum::<usize>();
        parts::split(&self.keys, &self.tags, others + changes)
    }

    /// The arrays of one row that have elements, and where each of the five begins; then whatever
    /// else tells one row from another. Only the first row of several has more than keys and tags.
    fn to_bytes(
        &self,
        outbox: pg_sys::Oid,
        part: &Part,
        is_first: bool,
    ) -> (Vec<u8>, [Option<usize>; 5]) {
        let mut bytes = Vec::with_capacity(part.keys.bytes.len() + part.tags.bytes.len() + 256);
        let whole = |array: &TextArray| {
            if is_first {
                array.whole()
            } else {
                Piece::default()
            }
        };
        let mut places = [None; 5];
        for (place, (array, piece)) in places.iter_mut().zip([
            (&self.keys, &part.keys),
            (&self.tags, &part.tags),
            (&self.patterns, &whole(&self.patterns)),
            (&self.tag_patterns, &whole(&self.tag_patterns)),
            (&self.channels, &whole(&self.channels)),
        ]) {
            if piece.count > 0 {
                *place = Some(bytes.len());
                array.write(piece, &mut bytes);
            }
        }
        bytes.extend(places.map(|place| u8::from(place.is_some())));
        let relation = self.relation.unwrap_or(pg_sys::InvalidOid);
        bytes.extend_from_slice(&relation.to_u32().to_ne_bytes());
        bytes.extend_from_slice(&outbox.to_u32().to_ne_bytes());
        bytes.extend([u8::from(self.flush), u8::from(self.broadened)]);
        bytes.extend_from_slice(self.operation.unwrap_or_default().as_bytes());
        if let Some(changes) = &self.changes {
            bytes.extend_from_slice(changes.to_string().as_bytes());
        }
        (bytes, places)
    }
}

/// Opens the table to delete rows of it. Columns that somebody has added come after its own.
///
/// # Safety
/// In a transaction; the caller closes the table.
pub unsafe fn open() -> Result<pg_sys::Relation, Failure> {
    let outbox = relation()?;
    // SAFETY: as the caller promises; after an error PostgreSQL closes it.
    unsafe {
        let relation = pg_sys::table_open(outbox, pg_sys::RowExclusiveLock as pg_sys::LOCKMODE);
        if has_columns(relation) {
            Ok(relation)
        } else {
            Err(altered())
        }
    }
}

/// Whether the table begins with the columns that it was created with.
unsafe fn has_columns(relation: pg_sys::Relation) -> bool {
    // SAFETY: the caller keeps the relation open.
    let descriptor = unsafe { pgrx::PgTupleDesc::from_pg_unchecked((*relation).rd_att) };
    let types = descriptor.iter().map(|column| column.atttypid);
    types.take(COLUMNS.len()).eq(COLUMNS)
}

fn altered() -> Failure {
    Failure::new(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        "table inventory_perf.cache_outbox was altered",
    )
    .detail("Its columns are not those that it was created with.")
    .hint("Drop the extension and create it again.")
}

/// The table, which is another one after the extension was dropped and created again.
fn relation() -> Result<pg_sys::Oid, Failure> {
    thread_local! {
        static FOUND: Cell<(u64, pg_sys::Oid)> = const { Cell::new((0, pg_sys::InvalidOid)) };
    }
    let (since, relation) = FOUND.get();
    if relation != pg_sys::InvalidOid && since == invalidation::epoch() {
        return Ok(relation);
    }
    let relation = find()?;
    invalidation::watch(relation);
    let epoch = invalidation::epoch();
    // What was invalidated before it was watched is seen by looking again.
    if find()? == relation {
        FOUND.set((epoch, relation));
    }
    Ok(relation)
}

fn find() -> Result<pg_sys::Oid, Failure> {
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
