//! Appends rows to a storage table, in batches and without a query.

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys;

use super::registry::relation_name;
use super::storage_row::StorageRow;
use crate::error::Failure;
use crate::relcache;
use crate::versions;

/// Rows that one heap_multi_insert() takes: about a page of them. More would need more slots, each
/// of which costs as much as a row.
const BATCH: usize = 128;

struct OpenIndex {
    relation: pg_sys::Relation,
    info: *mut pg_sys::IndexInfo,
}

/// An open table that rows are appended to. Everything it allocates belongs to the memory context
/// that is current when it is opened; after an error PostgreSQL releases what is open.
pub struct TableWriter {
    relation: pg_sys::Relation,
    /// A copy without a reference count: pinning the table's own for each slot costs more than
    /// writing the row.
    descriptor: pg_sys::TupleDesc,
    indexes: Vec<OpenIndex>,
    slots: Vec<*mut pg_sys::TupleTableSlot>,
    filled: usize,
    written: u64,
    command: pg_sys::CommandId,
    bulk_state: pg_sys::BulkInsertState,
    batch_context: pg_sys::MemoryContext,
    context: pg_sys::MemoryContext,
}

impl TableWriter {
    /// Opens a table whose columns have exactly these types. An owner may have altered it, or put
    /// indexes on it that a row cannot be written to without a query: then it is refused.
    pub fn open(table: pg_sys::Oid, columns: &[pg_sys::Oid], bulk: bool) -> Result<Self, Failure> {
        // SAFETY: plain calls of the backend; whatever they allocate lives in the current context,
        // and what is open when an error is returned is closed as the transaction ends.
        unsafe {
            let relation = open_to_write(table, columns)?;
            let mut indexes = Vec::new();
            let list = pg_sys::RelationGetIndexList(relation);
            let count = if list.is_null() { 0 } else { (*list).length };
            for position in 0..count {
                let oid = (*(*list).elements.add(position as usize)).oid_value;
                let index = pg_sys::index_open(oid, pg_sys::RowExclusiveLock as pg_sys::LOCKMODE);
                let info = pg_sys::BuildIndexInfo(index);
                if !(*info).ii_Expressions.is_null() || !(*info).ii_Predicate.is_null() {
                    return Err(altered(
                        table,
                        "it has an index on an expression, or a partial one",
                    ));
                }
                indexes.push(OpenIndex {
                    relation: index,
                    info,
                });
            }
            let context = pg_sys::CurrentMemoryContext;
            Ok(Self {
                relation,
                descriptor: pg_sys::CreateTupleDescCopy((*relation).rd_att),
                indexes,
                slots: Vec::new(),
                filled: 0,
                written: 0,
                command: pg_sys::GetCurrentCommandId(true),
                bulk_state: if bulk {
                    pg_sys::GetBulkInsertState()
                } else {
                    std::ptr::null_mut()
                },
                batch_context: pg_sys::AllocSetContextCreateInternal(
                    context,
                    c"inventory_perf rows".as_ptr(),
                    0,
                    8 * 1024,
                    1024 * 1024,
                ),
                context,
            })
        }
    }

    /// # Safety
    /// `values` and `nulls` hold one datum of the right type for each column of the table.
    pub unsafe fn push(&mut self, values: &mut [pg_sys::Datum], nulls: &mut [bool]) {
        // SAFETY: the tuple copies the datums; slot and tuple live until the batch is written.
        unsafe {
            let previous = pg_sys::MemoryContextSwitchTo(self.batch_context);
            let tuple =
                pg_sys::heap_form_tuple(self.descriptor, values.as_mut_ptr(), nulls.as_mut_ptr());
            if self.filled == self.slots.len() {
                pg_sys::MemoryContextSwitchTo(self.context);
                self.slots.push(pg_sys::MakeSingleTupleTableSlot(
                    self.descriptor,
                    &raw const pg_sys::TTSOpsHeapTuple,
                ));
            }
            let slot = self.slots[self.filled];
            pg_sys::ExecStoreHeapTuple(tuple, slot, false);
            (*slot).tts_tableOid = (*self.relation).rd_id;
            pg_sys::MemoryContextSwitchTo(previous);
        }
        self.filled += 1;
        if self.filled == BATCH {
            self.write_batch();
        }
    }

    /// Appends a row that the caller has put together for this table.
    pub fn push_row(&mut self, row: &mut StorageRow) {
        let (values, nulls) = row.columns();
        // SAFETY: rows of days, openings and months have one datum for each column, in order.
        unsafe { self.push(values, nulls) }
    }

    fn write_batch(&mut self) {
        if self.filled == 0 {
            return;
        }
        // SAFETY: the first `filled` slots hold tuples of this table; the indexes are plain ones,
        // so that FormIndexDatum() needs no executor state.
        unsafe {
            let previous = pg_sys::MemoryContextSwitchTo(self.batch_context);
            pg_sys::heap_multi_insert(
                self.relation,
                self.slots.as_mut_ptr(),
                self.filled as i32,
                self.command,
                0,
                self.bulk_state,
            );
            let mut values = [pg_sys::Datum::from(0); pg_sys::INDEX_MAX_KEYS as usize];
            let mut nulls = [false; pg_sys::INDEX_MAX_KEYS as usize];
            for slot in &self.slots[..self.filled] {
                for index in &self.indexes {
                    if !(*index.info).ii_ReadyForInserts {
                        continue;
                    }
                    let unique = if (*index.info).ii_Unique {
                        pg_sys::IndexUniqueCheck::UNIQUE_CHECK_YES
                    } else {
                        pg_sys::IndexUniqueCheck::UNIQUE_CHECK_NO
                    };
                    pg_sys::FormIndexDatum(
                        index.info,
                        *slot,
                        std::ptr::null_mut(),
                        values.as_mut_ptr(),
                        nulls.as_mut_ptr(),
                    );
                    pg_sys::index_insert(
                        index.relation,
                        values.as_mut_ptr(),
                        nulls.as_mut_ptr(),
                        &mut (**slot).tts_tid,
                        self.relation,
                        unique,
                        false,
                        index.info,
                    );
                }
                pg_sys::ExecClearTuple(*slot);
            }
            pg_sys::MemoryContextSwitchTo(previous);
            pg_sys::MemoryContextReset(self.batch_context);
        }
        self.written += self.filled as u64;
        self.filled = 0;
    }

    /// Writes what is left and closes the table, whose lock stays until the transaction ends.
    pub fn finish(mut self) -> u64 {
        self.write_batch();
        // SAFETY: closes what open() opened, in reverse order.
        unsafe {
            if !self.bulk_state.is_null() {
                pg_sys::FreeBulkInsertState(self.bulk_state);
            }
            for slot in &self.slots {
                pg_sys::ExecDropSingleTupleTableSlot(*slot);
            }
            for index in &self.indexes {
                versions::end_inserting(index.relation, index.info);
                pg_sys::index_close(index.relation, pg_sys::NoLock as pg_sys::LOCKMODE);
            }
            pg_sys::table_close(self.relation, pg_sys::NoLock as pg_sys::LOCKMODE);
            pg_sys::MemoryContextDelete(self.batch_context);
        }
        self.written
    }
}

/// Opens a storage table that is to be changed, if its columns have exactly these types.
///
/// # Safety
/// In a transaction; the caller closes the table.
pub unsafe fn open_to_write(
    table: pg_sys::Oid,
    types: &[pg_sys::Oid],
) -> Result<pg_sys::Relation, Failure> {
    // SAFETY: as the caller promises.
    unsafe {
        let relation = pg_sys::table_open(table, pg_sys::RowExclusiveLock as pg_sys::LOCKMODE);
        if has_columns(relation, types) {
            return Ok(relation);
        }
    }
    Err(altered_columns(table))
}

/// Whether an open relation is a table of PostgreSQL's own format, whose columns have exactly these
/// types. Calls nothing of the backend.
///
/// # Safety
/// The caller keeps the relation open.
pub unsafe fn has_columns(relation: pg_sys::Relation, types: &[pg_sys::Oid]) -> bool {
    // SAFETY: an open relation has its row of pg_class, and as many attributes as its descriptor
    // says.
    let (class, descriptor) = unsafe {
        (
            &*(*relation).rd_rel,
            pgrx::PgTupleDesc::from_pg_unchecked((*relation).rd_att),
        )
    };
    relcache::is_permanent_heap(class)
        && descriptor.len() == types.len()
        && descriptor
            .iter()
            .zip(types)
            .all(|(column, type_oid)| column.atttypid == *type_oid && !column.attisdropped)
}

/// Whether no row of an open table holds a NULL.
///
/// # Safety
/// The caller keeps the relation open.
pub unsafe fn is_without_nulls(relation: pg_sys::Relation) -> bool {
    // SAFETY: the descriptor of an open table has that many attributes.
    let descriptor = unsafe { pgrx::PgTupleDesc::from_pg_unchecked((*relation).rd_att) };
    descriptor.iter().all(|column| column.attnotnull)
}

pub fn altered_columns(table: pg_sys::Oid) -> Failure {
    altered(table, "its columns are not those it was created with")
}

pub fn altered(table: pg_sys::Oid, how: &str) -> Failure {
    Failure::new(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("internal table {} was altered: {how}", relation_name(table)),
    )
    .hint("Undo the change, or detach the ledger with drop_data => true and attach it again.")
}
