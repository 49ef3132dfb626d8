//! Appends rows to a storage table, in batches and without a query.

use pgrx::pg_sys;

/// Rows that one heap_multi_insert() takes; as many as COPY collects.
const BATCH: usize = 1_000;

struct OpenIndex {
    relation: pg_sys::Relation,
    info: *mut pg_sys::IndexInfo,
}

/// An open table that rows are appended to. Everything it allocates belongs to the memory context
/// that is current when it is opened; after an error PostgreSQL releases what is open.
pub struct TableWriter {
    relation: pg_sys::Relation,
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
    /// # Safety
    /// `table` is the OID of a heap table whose only indexes are plain ones: on columns, without
    /// a predicate, not unique.
    pub unsafe fn open(table: pg_sys::Oid, bulk: bool) -> Self {
        // SAFETY: plain calls of the backend; whatever they allocate lives in the current context.
        unsafe {
            let relation = pg_sys::table_open(table, pg_sys::RowExclusiveLock as pg_sys::LOCKMODE);
            let mut indexes = Vec::new();
            let list = pg_sys::RelationGetIndexList(relation);
            if !list.is_null() {
                for position in 0..(*list).length {
                    let oid = (*(*list).elements.add(position as usize)).oid_value;
                    let index =
                        pg_sys::index_open(oid, pg_sys::RowExclusiveLock as pg_sys::LOCKMODE);
                    indexes.push(OpenIndex {
                        relation: index,
                        info: pg_sys::BuildIndexInfo(index),
                    });
                }
            }
            let context = pg_sys::CurrentMemoryContext;
            Self {
                relation,
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
            }
        }
    }

    /// # Safety
    /// `values` and `nulls` hold one datum of the right type for each column of the table.
    pub unsafe fn push(&mut self, values: &mut [pg_sys::Datum], nulls: &mut [bool]) {
        // SAFETY: the tuple copies the datums; slot and tuple live until the batch is written.
        unsafe {
            let previous = pg_sys::MemoryContextSwitchTo(self.batch_context);
            let descriptor = (*self.relation).rd_att;
            let tuple =
                pg_sys::heap_form_tuple(descriptor, values.as_mut_ptr(), nulls.as_mut_ptr());
            if self.filled == self.slots.len() {
                pg_sys::MemoryContextSwitchTo(self.context);
                self.slots.push(pg_sys::MakeSingleTupleTableSlot(
                    descriptor,
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
                        pg_sys::IndexUniqueCheck::UNIQUE_CHECK_NO,
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
                pg_sys::index_close(index.relation, pg_sys::NoLock as pg_sys::LOCKMODE);
            }
            pg_sys::table_close(self.relation, pg_sys::NoLock as pg_sys::LOCKMODE);
            pg_sys::MemoryContextDelete(self.batch_context);
        }
        self.written
    }
}
