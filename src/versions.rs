//! What PostgreSQL 14 to 18 name or lay out differently: one function for each difference.

use pgrx::pg_sys;
use std::ffi::{CStr, c_char};
use std::ptr::null_mut;

/// Warns of settings under the extension's prefix that it does not have.
pub fn reserve_setting_prefix() {
    // SAFETY: a static, null-terminated string, on the only thread, while the library is loaded.
    unsafe {
        #[cfg(feature = "pg14")]
        pg_sys::EmitWarningsOnPlaceholders(c"inventory_perf".as_ptr());
        #[cfg(not(feature = "pg14"))]
        pg_sys::MarkGUCPrefixReserved(c"inventory_perf".as_ptr());
    }
}

/// Whether this transaction gave the table a new file, as TRUNCATE does.
///
/// # Safety
/// `relation` is an open relation.
pub unsafe fn has_new_file(relation: pg_sys::Relation) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        #[cfg(any(feature = "pg14", feature = "pg15"))]
        let since = (*relation).rd_newRelfilenodeSubid;
        #[cfg(not(any(feature = "pg14", feature = "pg15")))]
        let since = (*relation).rd_newRelfilelocatorSubid;
        since != 0
    }
}

/// Runs all of a query that was started.
///
/// # Safety
/// `ExecutorStart` has returned for `query`.
pub unsafe fn execute(query: *mut pg_sys::QueryDesc) {
    let forward = pg_sys::ScanDirection::ForwardScanDirection;
    // SAFETY: as the caller promises.
    unsafe {
        #[cfg(not(feature = "pg18"))]
        pg_sys::ExecutorRun(query, forward, 0, true);
        #[cfg(feature = "pg18")]
        pg_sys::ExecutorRun(query, forward, 0);
    }
}

/// Analyses and rewrites a statement whose parameters have the types that are given.
///
/// # Safety
/// `raw` is what the parser made of `text`; the statement is none that is not planned.
pub unsafe fn analyse_fixed(
    raw: *mut pg_sys::RawStmt,
    text: &CStr,
    types: &mut [pg_sys::Oid],
) -> *mut pg_sys::List {
    let count = types.len() as i32;
    // SAFETY: as the caller promises.
    unsafe {
        #[cfg(feature = "pg14")]
        use pg_sys::pg_analyze_and_rewrite;
        #[cfg(not(feature = "pg14"))]
        use pg_sys::pg_analyze_and_rewrite_fixedparams as pg_analyze_and_rewrite;
        pg_analyze_and_rewrite(raw, text.as_ptr(), types.as_mut_ptr(), count, null_mut())
    }
}

/// Analyses and rewrites a statement, and infers the types of parameters that are not given.
///
/// # Safety
/// `raw` is what the parser made of `text`; `types` is an array of `count` types that PostgreSQL
/// allocated, or null when there are none.
pub unsafe fn analyse_inferring(
    raw: *mut pg_sys::RawStmt,
    text: &CStr,
    types: &mut *mut pg_sys::Oid,
    count: &mut i32,
) -> *mut pg_sys::List {
    // SAFETY: as the caller promises. What 14's analysis leaves out for a utility statement is left
    // out here: its rewriter takes none.
    unsafe {
        #[cfg(feature = "pg14")]
        {
            let query = parse_inferring(raw, text, types, count);
            if (*query).commandType == pg_sys::CmdType::CMD_UTILITY {
                return pg_sys::lappend(null_mut(), query.cast());
            }
            pg_sys::QueryRewrite(query)
        }
        #[cfg(not(feature = "pg14"))]
        pg_sys::pg_analyze_and_rewrite_varparams(raw, text.as_ptr(), types, count, null_mut())
    }
}

/// Analyses a statement, and infers the types of parameters that are not given.
///
/// # Safety
/// As for `analyse_inferring`.
pub unsafe fn parse_inferring(
    raw: *mut pg_sys::RawStmt,
    text: &CStr,
    types: &mut *mut pg_sys::Oid,
    count: &mut i32,
) -> *mut pg_sys::Query {
    // SAFETY: as the caller promises.
    unsafe {
        pg_sys::parse_analyze_varparams(
            raw,
            text.as_ptr(),
            types,
            count,
            #[cfg(not(feature = "pg14"))]
            null_mut(),
        )
    }
}

/// Whether the parser's statement is a MERGE, which 14 does not have.
///
/// # Safety
/// `statement` is a node of the raw parser.
pub unsafe fn is_merge(statement: *const pg_sys::Node) -> bool {
    #[cfg(feature = "pg14")]
    return {
        let _ = statement;
        false
    };
    // SAFETY: every node begins with its tag.
    #[cfg(not(feature = "pg14"))]
    return unsafe { (*statement).type_ } == pg_sys::NodeTag::T_MergeStmt;
}

/// Whether the query is a MERGE, which 14 does not have.
pub fn is_merge_command(command: pg_sys::CmdType::Type) -> bool {
    #[cfg(feature = "pg14")]
    return {
        let _ = command;
        false
    };
    #[cfg(not(feature = "pg14"))]
    return command == pg_sys::CmdType::CMD_MERGE;
}

/// Raises the error that running the plan would raise for a lack of rights on tables.
///
/// # Safety
/// A finished plan.
pub unsafe fn check_table_rights(plan: &pg_sys::PlannedStmt) {
    // SAFETY: lists of the plan.
    unsafe {
        #[cfg(any(feature = "pg14", feature = "pg15"))]
        pg_sys::ExecCheckRTPerms(plan.rtable, true);
        #[cfg(not(any(feature = "pg14", feature = "pg15")))]
        pg_sys::ExecCheckPermissions(plan.rtable, plan.permInfos, true);
    }
}

/// What PostgreSQL answers when asked whether the role may call the function.
pub fn may_call(function: pg_sys::Oid, role: pg_sys::Oid) -> pg_sys::AclResult::Type {
    let right = pg_sys::ACL_EXECUTE as pg_sys::AclMode;
    // SAFETY: a catalog look-up by value.
    unsafe {
        #[cfg(any(feature = "pg14", feature = "pg15"))]
        return pg_sys::pg_proc_aclcheck(function, role, right);
        #[cfg(not(any(feature = "pg14", feature = "pg15")))]
        return pg_sys::object_aclcheck(pg_sys::ProcedureRelationId, function, role, right);
    }
}

/// PostgreSQL's settings, and how many they are. Valid until a setting is added.
pub fn settings() -> (*mut *mut pg_sys::config_generic, i32) {
    // SAFETY: only reads; from 16 on the array is a new one in the current memory context.
    unsafe {
        #[cfg(any(feature = "pg14", feature = "pg15"))]
        return (pg_sys::get_guc_variables(), pg_sys::GetNumConfigOptions());
        #[cfg(not(any(feature = "pg14", feature = "pg15")))]
        {
            let mut count = 0;
            (pg_sys::get_guc_variables(&mut count), count)
        }
    }
}

/// Lets go of what insertions into an index have kept, once there are no more: from 17 on an index
/// may keep buffers pinned.
///
/// # Safety
/// Rows were inserted into the open index with this description.
pub unsafe fn end_inserting(index: pg_sys::Relation, info: *mut pg_sys::IndexInfo) {
    #[cfg(any(feature = "pg14", feature = "pg15", feature = "pg16"))]
    let _ = (index, info);
    // SAFETY: as the caller promises.
    #[cfg(not(any(feature = "pg14", feature = "pg15", feature = "pg16")))]
    unsafe {
        pg_sys::index_insert_cleanup(index, info);
    }
}

/// Reads `size` bytes of a temporary file, and raises an error when there are fewer.
///
/// # Safety
/// `target` has room for `size` bytes.
pub unsafe fn read_exactly(file: *mut pg_sys::BufFile, target: *mut std::ffi::c_void, size: usize) {
    // SAFETY: as the caller promises.
    unsafe {
        #[cfg(any(feature = "pg14", feature = "pg15"))]
        if pg_sys::BufFileRead(file, target, size) != size {
            crate::error::Failure::new(
                pgrx::PgSqlErrorCode::ERRCODE_IO_ERROR,
                "could not read a temporary file of a backfill",
            )
            .hint("Check the disk and its free space, then try again.")
            .raise();
        }
        #[cfg(not(any(feature = "pg14", feature = "pg15")))]
        pg_sys::BufFileReadExact(file, target, size);
    }
}

/// The text of a string node.
///
/// # Safety
/// `node` is a string node.
pub unsafe fn string_of(node: *const pg_sys::Node) -> *const c_char {
    // SAFETY: as the caller promises.
    unsafe {
        #[cfg(feature = "pg14")]
        return (*node.cast::<pg_sys::Value>()).val.str_;
        #[cfg(not(feature = "pg14"))]
        return (*node.cast::<pg_sys::String>()).sval;
    }
}

/// The column that a variable is: its entry in the range table, negative for a planner's own, and
/// its attribute number.
pub fn column_of(var: &pg_sys::Var) -> (i32, i16) {
    // 14 declares the entry as unsigned, and has no negative ones
    #[allow(clippy::unnecessary_cast)]
    (var.varno as i32, var.varattno)
}

/// Whether the set has no member. From 16 on only NULL is empty, and there is no function to ask.
///
/// # Safety
/// `set` is NULL or a valid set.
pub unsafe fn is_empty(set: *const pg_sys::Bitmapset) -> bool {
    // SAFETY: as the caller promises.
    unsafe { pg_sys::bms_membership(set) == pg_sys::BMS_Membership::BMS_EMPTY_SET }
}

/// Whether a B-tree has to be read backwards for this order.
pub fn is_descending(key: &pg_sys::PathKey) -> bool {
    #[cfg(not(feature = "pg18"))]
    return key.pk_strategy as u32 == pg_sys::BTGreaterStrategyNumber;
    #[cfg(feature = "pg18")]
    return key.pk_cmptype == pg_sys::CompareType::COMPARE_GT;
}

/// The members of a class that are there for a child of a table alone, where they are kept apart
/// from the others: from 18 on.
///
/// # Safety
/// The planner's own class.
pub unsafe fn members_of_child(
    class: &pg_sys::EquivalenceClass,
    entry: pg_sys::Index,
) -> *const pg_sys::List {
    #[cfg(not(feature = "pg18"))]
    let _ = (class, entry);
    // SAFETY: the array has a list, or NULL, for each of so many entries of the range table.
    #[cfg(feature = "pg18")]
    unsafe {
        if !class.ec_childmembers.is_null() && (entry as i32) < class.ec_childmembers_size {
            return *class.ec_childmembers.add(entry as usize);
        }
    }
    std::ptr::null()
}

/// Whether a comparison of rows asks for what is below the other side.
pub fn asks_below(comparison: &pg_sys::RowCompareExpr) -> bool {
    #[cfg(not(feature = "pg18"))]
    {
        use pg_sys::RowCompareType::{ROWCOMPARE_LE, ROWCOMPARE_LT};
        [ROWCOMPARE_LT, ROWCOMPARE_LE].contains(&comparison.rctype)
    }
    #[cfg(feature = "pg18")]
    {
        use pg_sys::CompareType::{COMPARE_LE, COMPARE_LT};
        [COMPARE_LT, COMPARE_LE].contains(&comparison.cmptype)
    }
}

/// Whether the current role owns the database.
pub fn owns_database(database: pg_sys::Oid) -> bool {
    // SAFETY: catalog look-ups by value.
    unsafe {
        #[cfg(any(feature = "pg14", feature = "pg15"))]
        return pg_sys::pg_database_ownercheck(database, pg_sys::GetUserId());
        #[cfg(not(any(feature = "pg14", feature = "pg15")))]
        return owns(pg_sys::DatabaseRelationId, database);
    }
}

/// Whether the current role owns the extension.
pub fn owns_extension(extension: pg_sys::Oid) -> bool {
    // SAFETY: catalog look-ups by value.
    unsafe {
        #[cfg(any(feature = "pg14", feature = "pg15"))]
        return pg_sys::pg_extension_ownercheck(extension, pg_sys::GetUserId());
        #[cfg(not(any(feature = "pg14", feature = "pg15")))]
        return owns(pg_sys::ExtensionRelationId, extension);
    }
}

#[cfg(not(any(feature = "pg14", feature = "pg15")))]
unsafe fn owns(catalog: pg_sys::Oid, object: pg_sys::Oid) -> bool {
    // SAFETY: catalog look-ups by value.
    unsafe { pg_sys::object_ownercheck(catalog, object, pg_sys::GetUserId()) }
}

/// # Safety
/// The handler does only what a signal handler may.
pub unsafe fn handle_signal(signal: u32, handler: unsafe extern "C-unwind" fn(i32)) {
    // SAFETY: as the caller promises.
    unsafe {
        #[cfg(not(feature = "pg18"))]
        pg_sys::pqsignal(signal as i32, Some(handler));
        #[cfg(feature = "pg18")]
        pg_sys::pqsignal_be(signal as i32, Some(handler));
    }
}

/// Ends this process in good order.
///
/// # Safety
/// No transaction is running.
pub unsafe fn exit() -> ! {
    // SAFETY: as the caller promises.
    unsafe {
        #[cfg(not(feature = "pg18"))]
        pg_sys::proc_exit(0);
        // the bindings do not say of 18's that it does not return
        #[cfg(feature = "pg18")]
        {
            pg_sys::proc_exit(0);
            unreachable!("proc_exit returned")
        }
    }
}

/// For a MERGE that updates rows, but does not name both of the other actions: whether the triggers
/// of DELETE, and those of INSERT, are not fired by it.
pub fn moves_without_triggers(state: &pg_sys::ModifyTableState) -> Option<(bool, bool)> {
    #[cfg(feature = "pg14")]
    {
        let _ = state;
        None
    }
    #[cfg(not(feature = "pg14"))]
    {
        let names = |action: u32| state.mt_merge_subcommands as u32 & action != 0;
        let (delete, insert) = (!names(pg_sys::MERGE_DELETE), !names(pg_sys::MERGE_INSERT));
        (state.operation == pg_sys::CmdType::CMD_MERGE
            && names(pg_sys::MERGE_UPDATE)
            && (delete || insert))
            .then_some((delete, insert))
    }
}

/// Whether a MERGE into a partitioned table may have shown its triggers a row that it inserted in
/// place of one that it updated later: 16 and newer keep what an INSERT left for its transition table.
///
/// # Safety
/// The state of a statement that has run.
pub unsafe fn shows_wrong_rows(state: &pg_sys::ModifyTableState) -> bool {
    #[cfg(any(feature = "pg14", feature = "pg15"))]
    {
        let _ = state;
        false
    }
    #[cfg(not(any(feature = "pg14", feature = "pg15")))]
    // SAFETY: as the caller promises.
    unsafe {
        state.operation == pg_sys::CmdType::CMD_MERGE
            && state.mt_merge_inserted > 0.0
            && state.mt_merge_updated > 0.0
            && !state.mt_transition_capture.is_null()
            && !(*state.mt_transition_capture)
                .tcs_original_insert_tuple
                .is_null()
    }
}
