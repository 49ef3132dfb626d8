//! Commands that need a database, or the extension, without anyone in it.
//!
//! DROP DATABASE and its like refuse while somebody is connected. A worker is somebody, and nobody
//! whom a user could ask to leave, so it is sent away before the command begins and kept away until
//! it has ended. DROP EXTENSION could deadlock with a fold.

use pgrx::pg_sys;
use pgrx::prelude::*;
use pgrx::{PgList, is_a};
use std::cell::Cell;
use std::ffi::{CStr, c_char};
use std::time::{Duration, Instant};

use crate::shared_memory::{self, Slot};
use crate::unguarded;
use crate::versions::{owns_database, owns_extension, string_of};

/// A worker that only waits is gone in milliseconds; one that works gets this long to end by itself.
const PATIENCE: Duration = Duration::from_millis(300);
/// The command says by itself what is in its way if this was not enough.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
const SIGTERM: i32 = 15;

unsafe extern "C" {
    fn kill(pid: i32, signal: i32) -> i32;
}

thread_local! {
    static PREVIOUS: Cell<pg_sys::ProcessUtility_hook_type> = const { Cell::new(None) };
}

/// Called once, while the library is loaded by the postmaster; backends inherit it.
pub fn register() {
    // SAFETY: on the only thread, while nothing runs that could call the hook.
    unsafe {
        PREVIOUS.set(pg_sys::ProcessUtility_hook);
        pg_sys::ProcessUtility_hook = Some(on_utility);
    }
}

/// Without a guard: errors of every command pass through, and a guard would spoil them.
#[allow(clippy::too_many_arguments)] // as PostgreSQL declares it
unsafe extern "C-unwind" fn on_utility(
    statement: *mut pg_sys::PlannedStmt,
    query: *const c_char,
    is_read_only_tree: bool,
    context: pg_sys::ProcessUtilityContext::Type,
    parameters: pg_sys::ParamListInfo,
    environment: *mut pg_sys::QueryEnvironment,
    receiver: *mut pg_sys::DestReceiver,
    completion: *mut pg_sys::QueryCompletion,
) {
    // SAFETY: the statement that PostgreSQL is about to run; all arguments are handed on as they
    // came. Its errors jump over this frame, which has nothing to drop.
    unsafe {
        let holds = prepare((*statement).utilityStmt, context);
        let next = PREVIOUS.get().unwrap_or(unguarded::standard_ProcessUtility);
        next(
            statement,
            query,
            is_read_only_tree,
            context,
            parameters,
            environment,
            receiver,
            completion,
        );
        if holds {
            HELD.set(None);
        }
    }
}

/// What is held for a command, and the subtransaction that it runs in.
type ForCommand = (shared_memory::Held, pg_sys::SubTransactionId);

thread_local! {
    static HELD: Cell<Option<ForCommand>> = const { Cell::new(None) };
    static IS_REGISTERED: Cell<bool> = const { Cell::new(false) };
}

/// Whether something is held that is to be given back when the command has ended. If it fails, that
/// happens as its transaction, or subtransaction, is undone.
#[pg_guard]
unsafe extern "C-unwind" fn prepare(
    node: *mut pg_sys::Node,
    context: pg_sys::ProcessUtilityContext::Type,
) -> bool {
    // SAFETY: the statement of the hook; the callbacks are static functions, registered once.
    unsafe {
        let wanted = database_wanted_by(node, context);
        if wanted.is_some() || is_a(node, pg_sys::NodeTag::T_CreatedbStmt) {
            // what the command has done is seen by others only then
            shared_memory::wake_launcher_at_end();
        }
        let Some(database) = wanted else {
            return false;
        };
        if !IS_REGISTERED.replace(true) {
            pg_sys::RegisterXactCallback(Some(after_transaction), std::ptr::null_mut());
            pg_sys::RegisterSubXactCallback(Some(after_subtransaction), std::ptr::null_mut());
        }
        let Some(held) = shared_memory::hold(database) else {
            make_room(database);
            return false;
        };
        HELD.set(Some((held, pg_sys::GetCurrentSubTransactionId())));
        make_room(database);
        true
    }
}

unsafe extern "C-unwind" fn after_transaction(
    event: pg_sys::XactEvent::Type,
    _argument: *mut std::ffi::c_void,
) {
    if event == pg_sys::XactEvent::XACT_EVENT_ABORT {
        HELD.set(None);
    }
}

/// A subtransaction that the command itself begins has a larger number.
unsafe extern "C-unwind" fn after_subtransaction(
    event: pg_sys::SubXactEvent::Type,
    ended: pg_sys::SubTransactionId,
    _parent: pg_sys::SubTransactionId,
    _argument: *mut std::ffi::c_void,
) {
    if event == pg_sys::SubXactEvent::SUBXACT_EVENT_ABORT_SUB
        && let Some(held) = HELD.take()
        && held.1 < ended
    {
        HELD.set(Some(held));
    }
}

/// The database that a command wants without workers, if the user may run it: nobody else can send
/// workers away.
unsafe fn database_wanted_by(
    node: *mut pg_sys::Node,
    context: pg_sys::ProcessUtilityContext::Type,
) -> Option<pg_sys::Oid> {
    // SAFETY: the tag of a node says what struct it is.
    unsafe {
        let name = match (*node).type_ {
            pg_sys::NodeTag::T_DropdbStmt => (*node.cast::<pg_sys::DropdbStmt>()).dbname,
            pg_sys::NodeTag::T_RenameStmt => {
                let rename = &*node.cast::<pg_sys::RenameStmt>();
                if rename.renameType != pg_sys::ObjectType::OBJECT_DATABASE {
                    return None;
                }
                rename.subname
            }
            pg_sys::NodeTag::T_AlterDatabaseStmt => {
                let alter = &*node.cast::<pg_sys::AlterDatabaseStmt>();
                option(alter.options, c"tablespace")?;
                alter.dbname
            }
            pg_sys::NodeTag::T_CreatedbStmt => {
                let create = &*node.cast::<pg_sys::CreatedbStmt>();
                option(create.options, c"template")?
            }
            pg_sys::NodeTag::T_DropStmt => {
                return drops_extension(&*node.cast::<pg_sys::DropStmt>())
                    .then_some(pg_sys::MyDatabaseId);
            }
            _ => return None,
        };
        if context != pg_sys::ProcessUtilityContext::PROCESS_UTILITY_TOPLEVEL || name.is_null() {
            return None;
        }
        let database = pg_sys::get_database_oid(name, true);
        (database != pg_sys::InvalidOid && owns_database(database)).then_some(database)
    }
}

unsafe fn option(options: *mut pg_sys::List, wanted: &CStr) -> Option<*mut c_char> {
    // SAFETY: options of a command are DefElem nodes; the value is text or a name.
    unsafe {
        let found = PgList::<pg_sys::DefElem>::from_pg(options)
            .iter_ptr()
            .find(|option| CStr::from_ptr((**option).defname) == wanted)?;
        if (*found).arg.is_null() {
            return None;
        }
        Some(pg_sys::defGetString(found))
    }
}

unsafe fn drops_extension(drop: &pg_sys::DropStmt) -> bool {
    if drop.removeType != pg_sys::ObjectType::OBJECT_EXTENSION {
        return false;
    }
    // SAFETY: names of extensions are String nodes.
    unsafe {
        let is_named = PgList::<pg_sys::Node>::from_pg(drop.objects)
            .iter_ptr()
            .any(|name| CStr::from_ptr(string_of(name)) == c"inventory_perf");
        let extension = pg_sys::get_extension_oid(c"inventory_perf".as_ptr(), true);
        is_named && extension != pg_sys::InvalidOid && owns_extension(extension)
    }
}

/// Sends the workers of a database away.
fn make_room(database: pg_sys::Oid) {
    let Some(slot) = shared_memory::find_slot(database) else {
        return;
    };
    let began = Instant::now();
    let mut has_terminated = false;
    while is_occupied(slot) && began.elapsed() < LONGEST_WAIT {
        if !has_terminated && began.elapsed() >= PATIENCE {
            terminate(slot);
            has_terminated = true;
        }
        for process in [&slot.deliverer, &slot.folder] {
            process.wake();
        }
        let events = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
        // SAFETY: the latch of this process.
        unsafe {
            pg_sys::WaitLatch(pg_sys::MyLatch, events as i32, 5, pg_sys::PG_WAIT_EXTENSION);
            pg_sys::ResetLatch(pg_sys::MyLatch);
        }
        pgrx::check_for_interrupts!();
    }
}

fn is_occupied(slot: &Slot) -> bool {
    slot.deliverer.pid().is_some() || slot.folder.pid().is_some()
}

fn terminate(slot: &Slot) {
    for process in [&slot.deliverer, &slot.folder] {
        if let Some(pid) = process.pid() {
            // SAFETY: the process clears its number before it ends.
            unsafe { kill(pid, SIGTERM) };
        }
    }
}
