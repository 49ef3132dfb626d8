//! Appends one row to a storage table: what most statements write.
//!
//! [`TableWriter`] prepares for many rows, which costs more than one of them.

use pgrx::pg_sys;

use super::table_writer::{TableWriter, has_columns};
use crate::error::Failure;
use crate::unguarded::{self as backend, under_one_guard};

#[derive(Clone, Copy)]
enum Outcome {
    Appended,
    /// The table has indexes that take more than one call.
    HasOtherIndexes,
    /// The table has other columns.
    IsAltered,
}

/// Appends a row to a table whose columns have exactly these types; else it is altered.
///
/// # Safety
/// `values` and `nulls` hold one datum of the right type for each column of the table.
pub unsafe fn append_row(
    table: pg_sys::Oid,
    columns: &[pg_sys::Oid],
    values: &mut [pg_sys::Datum],
    nulls: &mut [bool],
    altered: impl FnOnce(pg_sys::Oid) -> Failure,
) -> Result<(), Failure> {
    // SAFETY: the relations stay open for the calls, and their locks until the transaction ends;
    // after an error PostgreSQL closes them. Nothing here is to be dropped.
    let outcome = unsafe {
        under_one_guard(|| {
            let relation = backend::table_open(table, LOCK);
            if !has_columns(relation, columns) {
                return Outcome::IsAltered;
            }
            let index = match Indexes::of(relation) {
                Indexes::None => None,
                Indexes::One(index) => Some(index),
                Indexes::Others => {
                    backend::table_close(relation, NO_LOCK);
                    return Outcome::HasOtherIndexes;
                }
            };
            let tuple = append_tuple(relation, values, nulls);
            if let Some(index) = index {
                add_to_index(index, relation, values, nulls, &mut (*tuple).t_self);
                backend::index_close(index, NO_LOCK);
            }
            backend::heap_freetuple(tuple);
            backend::table_close(relation, NO_LOCK);
            Outcome::Appended
        })
    };
    match outcome {
        Outcome::Appended => Ok(()),
        Outcome::IsAltered => Err(altered(table)),
        Outcome::HasOtherIndexes => {
            let mut writer = TableWriter::open(table, columns, false)?;
            // SAFETY: as the caller promises.
            unsafe { writer.push(values, nulls) };
            writer.finish();
            Ok(())
        }
    }
}

const LOCK: pg_sys::LOCKMODE = pg_sys::RowExclusiveLock as pg_sys::LOCKMODE;
const NO_LOCK: pg_sys::LOCKMODE = pg_sys::NoLock as pg_sys::LOCKMODE;

unsafe fn append_tuple(
    relation: pg_sys::Relation,
    values: &mut [pg_sys::Datum],
    nulls: &mut [bool],
) -> pg_sys::HeapTuple {
    // SAFETY: the caller keeps the relation open, and has a datum for each of its columns.
    unsafe {
        let descriptor = (*relation).rd_att;
        let tuple = backend::heap_form_tuple(descriptor, values.as_mut_ptr(), nulls.as_mut_ptr());
        let command = backend::GetCurrentCommandId(true);
        backend::heap_insert(relation, tuple, command, 0, std::ptr::null_mut());
        tuple
    }
}

/// The indexes of a table.
enum Indexes {
    None,
    /// The one that the table was created with, or one like it: a B-tree on columns. It is open.
    One(pg_sys::Relation),
    /// What an owner has added to it.
    Others,
}

impl Indexes {
    unsafe fn of(relation: pg_sys::Relation) -> Self {
        // SAFETY: the caller keeps the relation open; the list is a copy.
        unsafe {
            if !(*(*relation).rd_rel).relhasindex {
                return Self::None;
            }
            let list = backend::RelationGetIndexList(relation);
            if list.is_null() {
                return Self::None;
            }
            if (*list).length > 1 {
                return Self::Others;
            }
            let oid = (*(*list).elements).oid_value;
            backend::list_free(list);
            let index = backend::index_open(oid, LOCK);
            if is_plain(index) {
                return Self::One(index);
            }
            backend::index_close(index, NO_LOCK);
            Self::Others
        }
    }
}

/// Whether a row is added to the index with nothing but its columns: to a valid B-tree without
/// expressions and conditions, which keeps nothing in an IndexInfo.
unsafe fn is_plain(index: pg_sys::Relation) -> bool {
    // SAFETY: an open index has its row of pg_index at hand, and that many columns in it.
    unsafe {
        let definition = &*(*index).rd_index;
        let columns = (0..definition.indnatts).map(|position| column(definition, position));
        (*(*index).rd_rel).relam == pg_sys::BTREE_AM_OID
            && definition.indisready
            && !definition.indisexclusion
            && columns.into_iter().all(|column| column > 0)
            && backend::heap_attisnull(
                (*index).rd_indextuple,
                pg_sys::Anum_pg_index_indpred as i32,
                std::ptr::null_mut(),
            )
    }
}

unsafe fn column(definition: &pg_sys::FormData_pg_index, position: i16) -> i16 {
    // SAFETY: the caller stays below the number of columns.
    unsafe { *definition.indkey.values.as_ptr().add(position as usize) }
}

unsafe fn add_to_index(
    index: pg_sys::Relation,
    relation: pg_sys::Relation,
    values: &[pg_sys::Datum],
    nulls: &[bool],
    place: pg_sys::ItemPointer,
) {
    let mut index_values = [pg_sys::Datum::from(0); pg_sys::INDEX_MAX_KEYS as usize];
    let mut index_nulls = [false; pg_sys::INDEX_MAX_KEYS as usize];
    // SAFETY: a plain index names columns of the table, each of which has a datum; a B-tree does
    // not look at the IndexInfo.
    unsafe {
        let definition = &*(*index).rd_index;
        for position in 0..definition.indnatts {
            let column = column(definition, position) as usize - 1;
            index_values[position as usize] = values[column];
            index_nulls[position as usize] = nulls[column];
        }
        let unique = if definition.indisunique {
            pg_sys::IndexUniqueCheck::UNIQUE_CHECK_YES
        } else {
            pg_sys::IndexUniqueCheck::UNIQUE_CHECK_NO
        };
        backend::index_insert(
            index,
            index_values.as_mut_ptr(),
            index_nulls.as_mut_ptr(),
            place,
            relation,
            unique,
            false,
            std::ptr::null_mut(),
        );
    }
}
