//! Functions of the backend that the path of every write calls one after another.
//!
//! pgrx guards each call, as an error of PostgreSQL must not jump over frames of Rust that have
//! something to drop. Where frames have nothing, a few calls can share one guard: the guard costs as
//! much as many a call, and more while others keep the processor's caches busy.

use pgrx::pg_sys;

/// Runs `work` under one guard.
///
/// # Safety
/// On the main thread. An error of PostgreSQL jumps out of `work`, so whenever it calls the backend
/// it must hold nothing that is to be dropped.
pub unsafe fn under_one_guard<R: Copy, F: FnOnce() -> R>(work: F) -> R {
    const { assert!(!std::mem::needs_drop::<F>()) }
    // SAFETY: as the caller promises.
    unsafe { pg_sys::ffi::pg_guard_ffi_boundary(work) }
}

// As pgrx declares them, but without its guard.
unsafe extern "C-unwind" {
    pub fn standard_ExecutorFinish(query: *mut pg_sys::QueryDesc);
    pub fn standard_ProcessUtility(
        statement: *mut pg_sys::PlannedStmt,
        query: *const std::ffi::c_char,
        is_read_only_tree: bool,
        context: pg_sys::ProcessUtilityContext::Type,
        parameters: pg_sys::ParamListInfo,
        environment: *mut pg_sys::QueryEnvironment,
        receiver: *mut pg_sys::DestReceiver,
        completion: *mut pg_sys::QueryCompletion,
    );
    pub fn table_open(relation: pg_sys::Oid, lock: pg_sys::LOCKMODE) -> pg_sys::Relation;
    pub fn table_close(relation: pg_sys::Relation, lock: pg_sys::LOCKMODE);
    pub fn RelationGetIndexList(relation: pg_sys::Relation) -> *mut pg_sys::List;
    pub fn list_free(list: *mut pg_sys::List);
    pub fn index_open(index: pg_sys::Oid, lock: pg_sys::LOCKMODE) -> pg_sys::Relation;
    pub fn index_close(index: pg_sys::Relation, lock: pg_sys::LOCKMODE);
    pub fn index_insert(
        index: pg_sys::Relation,
        values: *mut pg_sys::Datum,
        nulls: *mut bool,
        place: pg_sys::ItemPointer,
        relation: pg_sys::Relation,
        unique: pg_sys::IndexUniqueCheck::Type,
        unchanged: bool,
        info: *mut pg_sys::IndexInfo,
    ) -> bool;
    /// From `catalog/pg_inherits.h`.
    pub fn find_inheritance_children(
        parent: pg_sys::Oid,
        lock: pg_sys::LOCKMODE,
    ) -> *mut pg_sys::List;
    pub fn heap_attisnull(
        tuple: pg_sys::HeapTuple,
        column: i32,
        descriptor: pg_sys::TupleDesc,
    ) -> bool;
    pub fn heap_form_tuple(
        descriptor: pg_sys::TupleDesc,
        values: *mut pg_sys::Datum,
        nulls: *mut bool,
    ) -> pg_sys::HeapTuple;
    pub fn heap_freetuple(tuple: pg_sys::HeapTuple);
    pub fn heap_insert(
        relation: pg_sys::Relation,
        tuple: pg_sys::HeapTuple,
        command: pg_sys::CommandId,
        options: i32,
        bulk_state: pg_sys::BulkInsertState,
    );
    pub fn GetCurrentCommandId(used: bool) -> pg_sys::CommandId;
    pub fn GetTopFullTransactionId() -> pg_sys::FullTransactionId;
    pub fn GetCurrentSubTransactionId() -> pg_sys::SubTransactionId;
    pub fn tuplestore_alloc_read_pointer(table: *mut pg_sys::Tuplestorestate, flags: i32) -> i32;
    pub fn tuplestore_select_read_pointer(table: *mut pg_sys::Tuplestorestate, pointer: i32);
    pub fn tuplestore_rescan(table: *mut pg_sys::Tuplestorestate);
    pub fn tuplestore_tuple_count(table: *mut pg_sys::Tuplestorestate) -> i64;
    pub fn tuplestore_gettupleslot(
        table: *mut pg_sys::Tuplestorestate,
        forward: bool,
        copy: bool,
        slot: *mut pg_sys::TupleTableSlot,
    ) -> bool;
    pub fn MakeSingleTupleTableSlot(
        descriptor: pg_sys::TupleDesc,
        operations: *const pg_sys::TupleTableSlotOps,
    ) -> *mut pg_sys::TupleTableSlot;
    pub fn ExecDropSingleTupleTableSlot(slot: *mut pg_sys::TupleTableSlot);
    pub fn slot_getsomeattrs_int(slot: *mut pg_sys::TupleTableSlot, columns: i32);
}
