//! Appends one row to a storage table: what most statements write.
//!
//! [`TableWriter`] prepares for many rows, which costs more than one of them.

use pgrx::pg_sys;

use super::table_writer::{TableWriter, open_to_write};
use crate::error::Failure;

/// Appends a row to a table whose columns have exactly these types.
///
/// # Safety
/// `values` and `nulls` hold one datum of the right type for each column of the table.
pub unsafe fn append_row(
    table: pg_sys::Oid,
    columns: &[pg_sys::Oid],
    values: &mut [pg_sys::Datum],
    nulls: &mut [bool],
) -> Result<(), Failure> {
    // SAFETY: the relations stay open for the calls, and their locks until the transaction ends;
    // after an error PostgreSQL closes them.
    unsafe {
        let relation = open_to_write(table, columns)?;
        let index = match Indexes::of(relation) {
            Indexes::None => None,
            Indexes::One(index) => Some(index),
            Indexes::Others => {
                pg_sys::table_close(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
                let mut writer = TableWriter::open(table, columns, false)?;
                writer.push(values, nulls);
                writer.finish();
                return Ok(());
            }
        };
        let tuple =
            pg_sys::heap_form_tuple((*relation).rd_att, values.as_mut_ptr(), nulls.as_mut_ptr());
        let command = pg_sys::GetCurrentCommandId(true);
        pg_sys::heap_insert(relation, tuple, command, 0, std::ptr::null_mut());
        if let Some(index) = index {
            add_to_index(index, relation, values, nulls, &mut (*tuple).t_self);
            pg_sys::index_close(index, pg_sys::NoLock as pg_sys::LOCKMODE);
        }
        pg_sys::heap_freetuple(tuple);
        pg_sys::table_close(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
    }
    Ok(())
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
            let list = pg_sys::RelationGetIndexList(relation);
            if list.is_null() {
                return Self::None;
            }
            if (*list).length > 1 {
                return Self::Others;
            }
            let oid = (*(*list).elements).oid_value;
            pg_sys::list_free(list);
            let index = pg_sys::index_open(oid, pg_sys::RowExclusiveLock as pg_sys::LOCKMODE);
            if is_plain(index) {
                return Self::One(index);
            }
            pg_sys::index_close(index, pg_sys::NoLock as pg_sys::LOCKMODE);
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
            && pg_sys::heap_attisnull(
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
        pg_sys::index_insert(
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
