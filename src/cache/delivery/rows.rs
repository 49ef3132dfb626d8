//! Takes rows out of the outbox without a query: this goes on as long as anybody writes, on the
//! processors of those who write.

use pgrx::datum::{Array, TimestampWithTimeZone};
use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::cache::outbox;
use crate::error::Failure;
use crate::ledger::capture::check_interrupts;
use crate::memory::Memory;

/// A row that was deleted by this transaction, as long as it is looked at.
pub struct Row<'a> {
    values: &'a [pg_sys::Datum],
    nulls: &'a [bool],
    pub block: u32,
}

/// Where the columns of the outbox stand.
pub enum Texts {
    Keys = 3,
    Tags = 4,
    Patterns = 5,
    TagPatterns = 6,
    Channels = 7,
}

impl Row<'_> {
    fn get<T: FromDatum>(&self, column: usize) -> Option<T> {
        // SAFETY: take() has compared the types of the columns with those that are asked for here.
        unsafe { T::from_datum(self.values[column], self.nulls[column]) }
    }

    /// As a timestamptz; rows of one statement have the same.
    pub fn captured(&self) -> i64 {
        self.values[0].value() as i64
    }

    pub fn captured_at(&self) -> Option<TimestampWithTimeZone> {
        self.get(0)
    }

    pub fn relation(&self) -> Option<pg_sys::Oid> {
        self.get(1)
    }

    pub fn operation(&self) -> Option<String> {
        self.get(2)
    }

    /// Calls `each` with every text of an array.
    pub fn for_each(&self, texts: Texts, mut each: impl FnMut(&[u8])) {
        if let Some(array) = self.get::<Array<&[u8]>>(texts as usize) {
            array.iter().flatten().for_each(&mut each);
        }
    }

    pub fn texts(&self, texts: Texts) -> Vec<String> {
        let mut all = Vec::new();
        self.for_each(texts, |text| {
            all.push(String::from_utf8_lossy(text).into_owned());
        });
        all
    }

    pub fn changes(&self) -> Option<serde_json::Value> {
        self.get::<pgrx::JsonB>(8).map(|changes| changes.0)
    }

    pub fn flush(&self) -> bool {
        self.get(9).unwrap_or(false)
    }

    /// 0, or the number of the row among those of its statement.
    pub fn part(&self) -> i32 {
        self.get(11).unwrap_or(0)
    }
}

/// Deletes up to `limit` rows that have been committed, from a block on, and hands them over. Rows
/// that another session is delivering are left to it.
pub fn take(
    limit: u64,
    first_block: u32,
    is_wanted: impl Fn(&Row) -> bool,
    mut each: impl FnMut(&Row),
) -> Result<(), Failure> {
    // SAFETY: an ordinary scan of an open table, whose first columns are those of the outbox; the
    // slot keeps the page of its row, where the deletion changes the header alone. What rows leave in
    // memory is freed row by row, when nobody looks at the row any more. After an error PostgreSQL
    // releases what is open.
    unsafe {
        let relation = outbox::open()?;
        let snapshot = pg_sys::RegisterSnapshot(pg_sys::GetTransactionSnapshot());
        let slot = pg_sys::table_slot_create(relation, std::ptr::null_mut());
        let scan =
            pg_sys::table_beginscan_strat(relation, snapshot, 0, std::ptr::null_mut(), true, false);
        let blocks =
            pg_sys::RelationGetNumberOfBlocksInFork(relation, pg_sys::ForkNumber::MAIN_FORKNUM);
        if first_block > 0 {
            let first_block = first_block.min(blocks);
            pg_sys::heap_setscanlimits(scan, first_block, blocks - first_block);
        }
        let forward = pg_sys::ScanDirection::ForwardScanDirection;
        let command = pg_sys::GetCurrentCommandId(true);
        let memory = Memory::new(c"inventory_perf outbox row");
        let mut taken = 0;
        while taken < limit && pg_sys::table_scan_getnextslot(scan, forward, slot) {
            check_interrupts();
            pg_sys::slot_getallattrs(slot);
            let columns = outbox::COLUMNS.len();
            let row = Row {
                values: std::slice::from_raw_parts((*slot).tts_values, columns),
                nulls: std::slice::from_raw_parts((*slot).tts_isnull, columns),
                block: pgrx::itemptr::item_pointer_get_block_number(&(*slot).tts_tid),
            };
            if !is_wanted(&row) || !delete(relation, &mut (*slot).tts_tid, command) {
                continue;
            }
            taken += 1;
            memory.within(|| each(&row));
            memory.reset();
        }
        pg_sys::table_endscan(scan);
        pg_sys::ExecDropSingleTupleTableSlot(slot);
        pg_sys::UnregisterSnapshot(snapshot);
        pg_sys::table_close(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
        pg_sys::CommandCounterIncrement();
    }
    Ok(())
}

/// Deletes a row, unless another transaction does or has locked it.
unsafe fn delete(
    relation: pg_sys::Relation,
    place: pg_sys::ItemPointer,
    command: pg_sys::CommandId,
) -> bool {
    let mut failure = pg_sys::TM_FailureData::default();
    // SAFETY: the caller's snapshot sees the row, and the relation is open with a lock for it.
    let result = unsafe {
        pg_sys::heap_delete(
            relation,
            place,
            command,
            std::ptr::null_mut(),
            false,
            &mut failure,
            false,
        )
    };
    result == pg_sys::TM_Result::TM_Ok
}
