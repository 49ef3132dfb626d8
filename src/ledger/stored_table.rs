//! Days or openings, opened to find, change and add the rows of one month and key after another.

use pgrx::pg_sys;

use super::storage_row::StorageRow;
use super::table_writer::{TableWriter, altered, altered_columns, is_without_nulls};
use crate::error::Failure;
use crate::memory::Memory;

/// An open table, and a scan of its primary key, which begins with the month and the key. After an
/// error PostgreSQL releases what is open.
pub struct StoredTable {
    writer: TableWriter,
    relation: pg_sys::Relation,
    index: pg_sys::Relation,
    scan: pg_sys::IndexScanDesc,
    conditions: Vec<pg_sys::ScanKeyData>,
    slot: *mut pg_sys::TupleTableSlot,
    indexes: pg_sys::CatalogIndexState,
    descriptor: pg_sys::TupleDesc,
    /// What the scan keeps.
    memory: Memory,
    /// What one changed row needs.
    row_memory: Memory,
    changed: u64,
}

/// A row that a scan is at.
pub struct StoredRow<'a> {
    pub place: pg_sys::ItemPointerData,
    pub columns: &'a [pg_sys::Datum],
}

impl StoredTable {
    /// Opens a table whose columns have these types: keys, a month, and more. Rows are looked for
    /// in the snapshot that is active now.
    pub fn open(table: pg_sys::Oid, columns: &[pg_sys::Oid], keys: usize) -> Result<Self, Failure> {
        let writer = TableWriter::open(table, columns, false)?;
        // SAFETY: plain calls of the backend. The scan uses the active snapshot, which the caller
        // keeps active, and the index stays open as long as the scan.
        unsafe {
            let relation = pg_sys::table_open(table, pg_sys::RowExclusiveLock as pg_sys::LOCKMODE);
            if !is_without_nulls(relation) {
                return Err(altered_columns(table));
            }
            pg_sys::list_free(pg_sys::RelationGetIndexList(relation));
            let primary_key = (*relation).rd_pkindex;
            if primary_key == pg_sys::InvalidOid {
                return Err(altered(table, "it has no primary key"));
            }
            let lock = pg_sys::RowExclusiveLock as pg_sys::LOCKMODE;
            let index = pg_sys::index_open(primary_key, lock);
            let Some(conditions) = conditions(index, keys) else {
                return Err(altered(table, "its primary key has other columns"));
            };
            let descriptor = pg_sys::CreateTupleDescCopy((*relation).rd_att);
            Ok(Self {
                writer,
                relation,
                index,
                scan: begin_scan(relation, index, conditions.len()),
                conditions,
                slot: pg_sys::table_slot_create(relation, std::ptr::null_mut()),
                indexes: pg_sys::CatalogOpenIndexes(relation),
                descriptor,
                memory: Memory::new(c"inventory_perf scan"),
                row_memory: Memory::new(c"inventory_perf row"),
                changed: 0,
            })
        }
    }

    /// Goes to the rows of a month and key.
    ///
    /// # Safety
    /// `key` has one datum of each key column's type, good until the next search.
    pub unsafe fn search(&mut self, month: i32, key: &[pg_sys::Datum]) {
        let values = std::iter::once(pg_sys::Datum::from(month)).chain(key.iter().copied());
        for (condition, value) in self.conditions.iter_mut().zip(values) {
            condition.sk_argument = value;
        }
        let (scan, conditions) = (self.scan, &mut self.conditions);
        // SAFETY: the conditions are of the index that is scanned.
        self.memory.within(|| unsafe {
            pg_sys::index_rescan(
                scan,
                conditions.as_mut_ptr(),
                conditions.len() as i32,
                std::ptr::null_mut(),
                0,
            );
        });
    }

    /// The row before the one that was read last, from the last one of what is searched. Its
    /// datums are good until the next call.
    pub fn previous(&mut self) -> Option<StoredRow<'_>> {
        let backward = pg_sys::ScanDirection::BackwardScanDirection;
        // SAFETY: the slot is of the scanned table, and deformed as a whole.
        unsafe {
            let has_row = self
                .memory
                .within(|| pg_sys::index_getnext_slot(self.scan, backward, self.slot));
            if !has_row {
                return None;
            }
            pg_sys::slot_getallattrs(self.slot);
            Some(StoredRow {
                place: (*self.slot).tts_tid,
                columns: std::slice::from_raw_parts(
                    (*self.slot).tts_values,
                    (*self.slot).tts_nvalid as usize,
                ),
            })
        }
    }

    /// Puts a row in the place of a stored one, with the same month, key and day.
    pub fn replace(&mut self, mut place: pg_sys::ItemPointerData, row: &mut StorageRow) {
        let (values, nulls) = row.columns();
        // SAFETY: the row has a datum of the right type for each column. Only the holder of the
        // ledger's maintenance lock changes the table, so that the row is still there.
        unsafe {
            self.row_memory.within(|| {
                let tuple = pg_sys::heap_form_tuple(
                    self.descriptor,
                    values.as_mut_ptr(),
                    nulls.as_mut_ptr(),
                );
                pg_sys::CatalogTupleUpdateWithInfo(self.relation, &mut place, tuple, self.indexes);
            });
            self.row_memory.reset();
        }
        self.changed += 1;
    }

    /// Adds a row, which no search finds any more.
    pub fn add(&mut self, row: &mut StorageRow) {
        self.writer.push_row(row);
    }

    /// Writes what is left and closes the table, whose lock stays until the transaction ends.
    /// Returns how many rows were added or changed.
    pub fn finish(self) -> u64 {
        // SAFETY: closes what open() opened, in reverse order.
        unsafe {
            pg_sys::CatalogCloseIndexes(self.indexes);
            pg_sys::ExecDropSingleTupleTableSlot(self.slot);
            pg_sys::index_endscan(self.scan);
            pg_sys::index_close(self.index, pg_sys::NoLock as pg_sys::LOCKMODE);
            pg_sys::table_close(self.relation, pg_sys::NoLock as pg_sys::LOCKMODE);
        }
        self.changed + self.writer.finish()
    }
}

unsafe fn begin_scan(
    relation: pg_sys::Relation,
    index: pg_sys::Relation,
    conditions: usize,
) -> pg_sys::IndexScanDesc {
    // SAFETY: an open table, an open index of it, and the active snapshot.
    unsafe {
        #[cfg(not(feature = "pg18"))]
        return pg_sys::index_beginscan(
            relation,
            index,
            pg_sys::GetActiveSnapshot(),
            conditions as i32,
            0,
        );
        #[cfg(feature = "pg18")]
        return pg_sys::index_beginscan(
            relation,
            index,
            pg_sys::GetActiveSnapshot(),
            std::ptr::null_mut(),
            conditions as i32,
            0,
        );
    }
}

/// Conditions on the month and the keys, equal to something yet to be said, if the index begins
/// with these columns of a table that has the keys first and the month after them.
unsafe fn conditions(index: pg_sys::Relation, keys: usize) -> Option<Vec<pg_sys::ScanKeyData>> {
    // SAFETY: arrays of an open index have an element for each of its key columns.
    unsafe {
        let info = pg_sys::BuildIndexInfo(index);
        if ((*info).ii_NumIndexKeyAttrs as usize) < keys + 1 {
            return None;
        }
        let mut conditions = Vec::with_capacity(keys + 1);
        for position in 0..=keys {
            let column = if position == 0 { keys + 1 } else { position };
            if (*info).ii_IndexAttrNumbers[position] as usize != column {
                return None;
            }
            let type_oid = *(*index).rd_opcintype.add(position);
            let operator = pg_sys::get_opfamily_member(
                *(*index).rd_opfamily.add(position),
                type_oid,
                type_oid,
                pg_sys::BTEqualStrategyNumber as i16,
            );
            if operator == pg_sys::InvalidOid {
                return None;
            }
            let mut condition = pg_sys::ScanKeyData::default();
            pg_sys::ScanKeyEntryInitialize(
                &mut condition,
                0,
                position as i16 + 1,
                pg_sys::BTEqualStrategyNumber as u16,
                pg_sys::InvalidOid,
                *(*index).rd_indcollation.add(position),
                pg_sys::get_opcode(operator),
                pg_sys::Datum::from(0),
            );
            conditions.push(condition);
        }
        Some(conditions)
    }
}
