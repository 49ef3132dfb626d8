//! Whose rights code runs with.

use pgrx::pg_sys;
use pgrx::prelude::*;
use std::ffi::{CStr, CString};
use std::time::Duration;

use crate::error::Failure;
use crate::prepared::Prepared;

/// Puts the user and the settings back when dropped. When an error ends the transaction or
/// subtransaction instead, PostgreSQL does the same.
struct Restore {
    user: pg_sys::Oid,
    context: i32,
    nest_level: i32,
}

impl Drop for Restore {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        // SAFETY: both calls undo, in reverse order, what `run_as` did on this thread.
        unsafe {
            pg_sys::AtEOXact_GUC(false, self.nest_level);
            pg_sys::SetUserIdAndSecContext(self.user, self.context);
        }
    }
}

const SAFE_PATH: (&CStr, &str) = (c"search_path", "pg_catalog, pg_temp");

fn enter(user: Option<pg_sys::Oid>, settings: &[(&CStr, &str)]) -> Restore {
    let mut previous = Restore {
        user: pg_sys::InvalidOid,
        context: 0,
        nest_level: 0,
    };
    // SAFETY: plain calls into the backend on its own thread; the pointers outlive the calls.
    unsafe {
        pg_sys::GetUserIdAndSecContext(&mut previous.user, &mut previous.context);
        if let Some(user) = user {
            let restricted =
                pg_sys::SECURITY_LOCAL_USERID_CHANGE | pg_sys::SECURITY_RESTRICTED_OPERATION;
            pg_sys::SetUserIdAndSecContext(user, previous.context | restricted as i32);
        }
        previous.nest_level = pg_sys::NewGUCNestLevel();
        for (name, value) in settings {
            let value = CString::new(*value).unwrap_or_default();
            pg_sys::set_config_option(
                name.as_ptr(),
                value.as_ptr(),
                pg_sys::GucContext::PGC_USERSET,
                pg_sys::GucSource::PGC_S_SESSION,
                pg_sys::GucAction::GUC_ACTION_SAVE,
                true,
                0,
                false,
            );
        }
    }
    previous
}

/// Runs `work` with a `search_path` in which nobody can plant a function or an operator.
pub fn with_safe_path<R>(work: impl FnOnce() -> R) -> R {
    let _restore = enter(None, &[SAFE_PATH]);
    work()
}

/// Runs `work` with settings under which a value has one text, whatever the session's are.
pub fn with_plain_text<R>(work: impl FnOnce() -> R) -> R {
    let _restore = enter(
        None,
        &[
            (c"DateStyle", "ISO, YMD"),
            (c"TimeZone", "UTC"),
            (c"IntervalStyle", "postgres"),
            (c"extra_float_digits", "1"),
            (c"bytea_output", "hex"),
            (c"lc_monetary", "C"),
        ],
    );
    work()
}

/// The `search_path` that the caller has set.
pub fn search_path() -> String {
    // SAFETY: the setting always exists; its value is copied before anything can change it.
    unsafe {
        let value = pg_sys::GetConfigOption(c"search_path".as_ptr(), false, false);
        CStr::from_ptr(value).to_string_lossy().into_owned()
    }
}

/// Runs `work` with the `search_path` of a caller, for names that the caller wrote.
pub fn with_path<R>(search_path: &str, work: impl FnOnce() -> R) -> R {
    let _restore = enter(None, &[(c"search_path", search_path)]);
    work()
}

/// Lets `work` wait no longer than this for a lock, and less if the session says so.
pub fn with_lock_timeout<R>(limit: Duration, work: impl FnOnce() -> R) -> R {
    let limit = limit.as_millis().clamp(1, i32::MAX as u128) as i32;
    // SAFETY: reads a setting, in milliseconds; 0 is none.
    let present = unsafe { pg_sys::LockTimeout };
    if (1..=limit).contains(&present) {
        return work();
    }
    let _restore = enter(None, &[(c"lock_timeout", &limit.to_string())]);
    work()
}

/// Has the statements of `work` look rows up, however small the tables are now.
pub fn with_index_scans<R>(work: impl FnOnce() -> R) -> R {
    let _restore = enter(None, &[(c"enable_seqscan", "off")]);
    work()
}

/// Gives the statements of `work` the memory of a maintenance operation, as it is one. They run
/// once each, so compiling them does not pay.
pub fn with_maintenance_memory<R>(work: impl FnOnce() -> R) -> R {
    // SAFETY: reads a setting.
    let kilobytes = unsafe { pg_sys::maintenance_work_mem };
    let _restore = enter(
        None,
        &[(c"work_mem", &kilobytes.to_string()), (c"jit", "off")],
    );
    work()
}

/// Runs `work` as `user`, as a security-restricted operation and with a safe `search_path`: code
/// that the owner of a table planted on it gets the owner's rights, never the caller's.
pub fn run_as<R>(user: pg_sys::Oid, work: impl FnOnce() -> R) -> R {
    let _restore = enter(Some(user), &[SAFE_PATH]);
    work()
}

/// Runs `work`, which parses, plans or evaluates what `user` wrote or ran, with the rights of `user`,
/// as a security-restricted operation, and with the caller's settings. `None`: the caller wrote it.
///
/// Parsing calls input functions of types, planning calls IMMUTABLE functions and operators with
/// values out of statistics; so nothing of a statement is looked at without this.
pub fn on_behalf_of<R>(user: Option<pg_sys::Oid>, work: impl FnOnce() -> R) -> R {
    let _restore = enter(Some(user.unwrap_or_else(current_user)), &[]);
    work()
}

/// Who looks at what is stored with a table, an index's expressions and the like: its owner, as when
/// PostgreSQL builds or maintains them; where the caller has not the owner's rights, the caller.
pub fn keeper_of(relation: pg_sys::Oid) -> Option<pg_sys::Oid> {
    owner_of(relation).filter(|owner| acts_for(*owner))
}

pub fn current_user() -> pg_sys::Oid {
    // SAFETY: reads a backend variable.
    unsafe { pg_sys::GetUserId() }
}

/// The role that owns the extension's own tables.
pub fn extension_owner() -> Result<pg_sys::Oid, Failure> {
    thread_local! {
        static OWNER: Prepared = const {
            Prepared::new(
                "SELECT extowner FROM pg_catalog.pg_extension WHERE extname = 'inventory_perf'",
            )
        };
    }
    let owner = Spi::connect(|client| {
        OWNER.with(|query| {
            query.with_plan(client, &[], |client, plan| {
                client
                    .select(plan, Some(1), &[])?
                    .first()
                    .get_one::<pg_sys::Oid>()
            })
        })
    })?;
    owner.ok_or_else(|| {
        Failure::new(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "extension \"inventory_perf\" is not installed in this database",
        )
        .hint("Run CREATE EXTENSION inventory_perf.")
    })
}

/// Whether the current user has the rights of `role`, as its member or as a superuser.
pub fn acts_for(role: pg_sys::Oid) -> bool {
    // SAFETY: catalog look-ups by value.
    unsafe { pg_sys::has_privs_of_role(pg_sys::GetUserId(), role) }
}

/// A role as SQL names it.
pub fn quoted_name(role: pg_sys::Oid) -> Result<String, Failure> {
    // SAFETY: a catalog look-up by value, which returns null for a role that is gone.
    unsafe {
        let name = pg_sys::GetUserNameFromId(role, true);
        if !name.is_null() {
            return Ok(crate::sql::quote_identifier(
                &CStr::from_ptr(name).to_string_lossy(),
            ));
        }
    }
    Err(Failure::new(
        PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
        format!("role with OID {} does not exist", role.to_u32()),
    )
    .hint("Give the ledger to a role that exists."))
}

pub fn role_exists(role: pg_sys::Oid) -> bool {
    // SAFETY: a catalog look-up by value.
    !unsafe { pg_sys::GetUserNameFromId(role, true) }.is_null()
}

/// Whose a relation is, if it exists.
pub fn owner_of(relation: pg_sys::Oid) -> Option<pg_sys::Oid> {
    // SAFETY: a catalog look-up by value; the tuple is read before it is released.
    unsafe {
        let tuple = pg_sys::SearchSysCache1(
            pg_sys::SysCacheIdentifier::RELOID as i32,
            pg_sys::Datum::from(relation),
        );
        if tuple.is_null() {
            return None;
        }
        let owner = (*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_class>()).relowner;
        pg_sys::ReleaseSysCache(tuple);
        Some(owner)
    }
}

/// The role that owns the extension's tables, without a query.
pub fn owner_of_tables() -> Result<pg_sys::Oid, Failure> {
    // SAFETY: catalog look-ups by name.
    let table = unsafe {
        let schema = pg_sys::get_namespace_oid(c"inventory_perf".as_ptr(), true);
        pg_sys::get_relname_relid(c"cache_outbox".as_ptr(), schema)
    };
    owner_of(table).ok_or_else(|| {
        Failure::new(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "extension \"inventory_perf\" is not installed in this database",
        )
        .hint("Run CREATE EXTENSION inventory_perf.")
    })
}
