//! What every read asks first: may this role read the ledger, and does its storage answer for
//! this snapshot? What it found is kept per backend until something about the ledger changes.

use pgrx::datum::Date;
use pgrx::pg_sys;
use pgrx::prelude::*;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::error::{Failure, OrRaise, required};
use crate::invalidation;
use crate::ledger::integrity::Identity;
use crate::ledger::mapping::Mapping;
use crate::ledger::mapping_view::Registered;
use crate::ledger::registry::{self, State};
use crate::ledger::table_writer::{altered_columns, has_columns, is_without_nulls};
use crate::ledger::triggers;

#[derive(Clone)]
pub struct Entry {
    epoch: u64,
    state: State,
    /// What is wrong with storage or mapping, if they are not what attaching made.
    damage: Option<Rc<str>>,
    /// The ledger's columns that are mapped; none if the mapping cannot be believed.
    mapped_columns: Rc<[i16]>,
    /// Who wrote the ledger's row in the registry; InvalidTransactionId once it is frozen.
    writer: pg_sys::TransactionId,
    generation: i64,
    pub days: pg_sys::Oid,
    pub openings: pg_sys::Oid,
    months: pg_sys::Oid,
}

thread_local! {
    static ENTRIES: RefCell<HashMap<pg_sys::Oid, Entry>> = RefCell::new(HashMap::new());
}

/// True, or an error that says why the reader gets no answer.
#[pg_extern(sql = false)]
fn check_ledger(ledger: Option<pg_sys::Oid>) -> bool {
    required(ledger, "ledger")
        .and_then(|ledger| check(ledger).map(|_| true))
        .or_raise()
}

/// Whether the current role may read the ledger, whatever its state.
pub fn may_read(ledger: pg_sys::Oid) -> bool {
    entry(ledger)
        .and_then(|entry| check_rights(ledger, &entry))
        .is_ok()
}

/// Error 42501 for a role that may not read the ledger, when a query of it is planned. What else there
/// is to say is said when it is executed.
pub fn check_planning(ledger: pg_sys::Oid) -> Result<(), Failure> {
    entry(ledger).map_or(Ok(()), |entry| check_rights(ledger, &entry))
}

pub fn check(ledger: pg_sys::Oid) -> Result<Entry, Failure> {
    // With a cached plan no lock is newly taken that would bring news of other backends.
    // SAFETY: a look at shared memory when there is nothing new.
    unsafe { pg_sys::AcceptInvalidationMessages() };
    let entry = entry(ledger)?;
    check_rights(ledger, &entry)?;
    match entry.state {
        State::Ready => {}
        State::AwaitingBackfill => {
            return Err(not_ready(
                ledger,
                "waits for its backfill",
                "backfill_ledger",
            ));
        }
        State::Restoring => {
            return Err(not_ready(
                ledger,
                "is being restored and lacks capture triggers",
                "rebuild_ledger",
            ));
        }
        State::Stale => return Err(not_ready(ledger, "is stale", "rebuild_ledger")),
    }
    if let Some(damage) = &entry.damage {
        return Err(damaged(&registry::relation_name(ledger), damage));
    }
    check_snapshot(ledger, &entry)?;
    Ok(entry)
}

/// Of a ledger whose storage, mapping or triggers are not what attaching made.
pub fn damaged(ledger: &str, damage: &str) -> Failure {
    Failure::new(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("ledger {ledger} is stale: {damage}"),
    )
    .detail("Its snapshots would not be exact, so they are not given.")
    .hint(format!(
        "Undo the change and run inventory_perf.rebuild_ledger({name}), or run \
         inventory_perf.detach_ledger({name}, drop_data => true) and attach the ledger again.",
        name = crate::sql::quote_literal(ledger)
    ))
}

fn not_ready(ledger: pg_sys::Oid, what: &str, remedy: &str) -> Failure {
    let name = registry::relation_name(ledger);
    Failure::new(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("ledger {name} {what}"),
    )
    .detail("Its snapshots would not be exact, so they are not given.")
    .hint(format!(
        "Run SELECT inventory_perf.{remedy}({}).",
        crate::sql::quote_literal(&name)
    ))
}

fn entry(ledger: pg_sys::Oid) -> Result<Entry, Failure> {
    let cached = ENTRIES.with_borrow(|entries| entries.get(&ledger).cloned());
    if let Some(entry) = cached
        && entry.epoch == invalidation::epoch()
    {
        return Ok(entry);
    }
    invalidation::watch(ledger);
    let epoch = invalidation::epoch();
    let entry = read_registry(ledger, epoch)?;
    ENTRIES.with_borrow_mut(|entries| entries.insert(ledger, entry.clone()));
    Ok(entry)
}

/// Columns of inventory_perf.ledger, by number.
const LEDGER: usize = 0;
const STATE: usize = 1;
const MAPPING: usize = 3;
const PENDING: usize = 4;
const DAYS: usize = 5;
const OPENINGS: usize = 6;
const MONTHS: usize = 7;
const MAPPED_MOVES: usize = 8;
const MEMBERS: usize = 9;
const GENERATION: usize = 10;
const EXPRESSIONS: usize = 14;
const FINGERPRINT: usize = 15;

/// Reads the ledger's row as it is now, and looks at what it names.
fn read_registry(ledger: pg_sys::Oid, epoch: u64) -> Result<Entry, Failure> {
    // SAFETY: the catalog's snapshot is the latest one that a parallel query may take.
    let found = unsafe {
        let snapshot = pg_sys::RegisterSnapshot(pg_sys::GetCatalogSnapshot(registry_table()));
        let found = read_row(ledger, snapshot);
        pg_sys::UnregisterSnapshot(snapshot);
        found
    };
    let row = found.ok_or_else(|| {
        Failure::new(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!(
                "{} is not an attached ledger",
                registry::relation_name(ledger)
            ),
        )
        .hint("Attach it with inventory_perf.attach_ledger().")
    })?;
    let checked = match &row.identity {
        Some(identity) => {
            // From before it is looked at, so that no change goes unnoticed.
            for relation in identity.relations() {
                invalidation::watch(relation);
            }
            identity.check()
        }
        None => Err("its mapping cannot be read".into()),
    };
    let (damage, mapped_columns) = match checked {
        Ok(mapping) => (None, mapping.columns_read().into()),
        Err(damage) => (Some(damage.into()), Rc::default()),
    };
    Ok(Entry {
        epoch,
        state: restored(row.state, &row.members),
        damage,
        mapped_columns,
        writer: row.writer,
        generation: row.generation,
        days: row.days,
        openings: row.openings,
        months: row.months,
    })
}

/// Jobs that restore a dump side by side may each be too early to see the last of the triggers.
fn restored(state: State, members: &[pg_sys::Oid]) -> State {
    if state != State::Restoring {
        return state;
    }
    for member in members {
        invalidation::watch(*member);
    }
    match triggers::lacking(members) {
        None => State::Ready,
        Some(_) => State::Restoring,
    }
}

fn registry_table() -> pg_sys::Oid {
    // SAFETY: catalog look-ups; the table is there as long as the function that asks.
    unsafe {
        let schema = pg_sys::get_namespace_oid(c"inventory_perf".as_ptr(), true);
        pg_sys::get_relname_relid(c"ledger".as_ptr(), schema)
    }
}

/// The ledger's row in the registry.
struct Row {
    state: State,
    writer: pg_sys::TransactionId,
    generation: i64,
    days: pg_sys::Oid,
    openings: pg_sys::Oid,
    months: pg_sys::Oid,
    members: Vec<pg_sys::Oid>,
    /// None if the mapping is not one.
    identity: Option<Identity>,
}

/// No query: those need a right to the registry, and a snapshot of their own, that a reader inside a
/// parallel worker or on a standby may not have.
unsafe fn read_row(ledger: pg_sys::Oid, snapshot: pg_sys::Snapshot) -> Option<Row> {
    let mut found = None;
    // SAFETY: a scan of a small table of our own, whose columns are those of the bootstrap
    // script, none of them NULL; datums are read before the next row is fetched.
    unsafe {
        scan(
            registry_table(),
            snapshot,
            |_| true,
            |slot| {
                let values = (*slot).tts_values;
                if (*values.add(LEDGER)).value() as u32 != ledger.to_u32() {
                    return;
                }
                let oid = |column| pg_sys::Oid::from((*values.add(column)).value() as u32);
                let text =
                    |column| String::from_datum(*values.add(column), false).unwrap_or_default();
                let mapping = pgrx::JsonB::from_datum(*values.add(MAPPING), false)
                    .and_then(|mapping| serde_json::from_value::<Mapping>(mapping.0).ok());
                found = Some(Row {
                    state: State::parse(&text(STATE)),
                    writer: writer_of(slot),
                    generation: (*values.add(GENERATION)).value() as i64,
                    days: oid(DAYS),
                    openings: oid(OPENINGS),
                    months: oid(MONTHS),
                    members: Vec::from_datum(*values.add(MEMBERS), false).unwrap_or_default(),
                    identity: mapping.map(|mapping| Identity {
                        ledger,
                        layout: mapping.layout(),
                        pending: oid(PENDING),
                        days: oid(DAYS),
                        openings: oid(OPENINGS),
                        months: oid(MONTHS),
                        mapped_moves: oid(MAPPED_MOVES),
                        registered: Registered {
                            expressions: Vec::from_datum(*values.add(EXPRESSIONS), false)
                                .unwrap_or_default(),
                            fingerprint: text(FINGERPRINT),
                        },
                    }),
                });
            },
        );
    }
    found
}

/// Calls `each` for every row of a table that the snapshot sees. Returns whether the table, which is
/// locked by then, is one that `is_expected`.
///
/// # Safety
/// `table` is the OID of a relation.
unsafe fn scan(
    table: pg_sys::Oid,
    snapshot: pg_sys::Snapshot,
    is_expected: impl FnOnce(pg_sys::Relation) -> bool,
    mut each: impl FnMut(*mut pg_sys::TupleTableSlot),
) -> bool {
    // SAFETY: an ordinary scan; on an error PostgreSQL releases what is open.
    unsafe {
        let relation = pg_sys::table_open(table, pg_sys::AccessShareLock as pg_sys::LOCKMODE);
        let is_expected = is_expected(relation);
        if is_expected {
            let slot = pg_sys::table_slot_create(relation, std::ptr::null_mut());
            let scan = pg_sys::table_beginscan(relation, snapshot, 0, std::ptr::null_mut());
            let forward = pg_sys::ScanDirection::ForwardScanDirection;
            while pg_sys::table_scan_getnextslot(scan, forward, slot) {
                pg_sys::slot_getallattrs(slot);
                each(slot);
            }
            pg_sys::table_endscan(scan);
            pg_sys::ExecDropSingleTupleTableSlot(slot);
        }
        pg_sys::table_close(relation, pg_sys::AccessShareLock as pg_sys::LOCKMODE);
        is_expected
    }
}

/// The transaction that wrote a row; InvalidTransactionId once it is frozen.
///
/// # Safety
/// The slot holds a heap tuple.
pub unsafe fn writer_of(slot: *mut pg_sys::TupleTableSlot) -> pg_sys::TransactionId {
    // SAFETY: as the caller promises.
    unsafe {
        let tuple = pg_sys::ExecFetchSlotHeapTuple(slot, false, std::ptr::null_mut());
        let header = &*(*tuple).t_data;
        let frozen = pg_sys::HEAP_XMIN_FROZEN as u16;
        if header.t_infomask & frozen == frozen {
            pg_sys::InvalidTransactionId
        } else {
            header.t_choice.t_heap.t_xmin
        }
    }
}

/// Storage that was filled after the reader's snapshot was taken is invisible to it, or partly so:
/// the reader has to take a new snapshot.
fn check_snapshot(ledger: pg_sys::Oid, entry: &Entry) -> Result<(), Failure> {
    if entry.writer == pg_sys::InvalidTransactionId {
        return Ok(());
    }
    // SAFETY: a query is running, so there may be an active snapshot; reads backend variables.
    let (has_snapshot, is_own) = unsafe {
        (
            pg_sys::ActiveSnapshotSet(),
            pg_sys::TransactionIdIsCurrentTransactionId(entry.writer),
        )
    };
    if is_own && registry::has_fixed_snapshot() {
        return Err(filled_by_itself(ledger));
    }
    // SAFETY: as above.
    let is_later = has_snapshot
        && !is_own
        && unsafe { pg_sys::XidInMVCCSnapshot(entry.writer, pg_sys::GetActiveSnapshot()) };
    // A row that was only written anew, as a partition came, says nothing of the storage.
    // SAFETY: a query is running, so there is an active snapshot.
    let is_same = || unsafe {
        read_row(ledger, pg_sys::GetActiveSnapshot())
            .is_some_and(|seen| seen.generation == entry.generation && seen.months == entry.months)
    };
    if !is_later || is_same() {
        return Ok(());
    }
    Err(Failure::new(
        PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE,
        format!(
            "snapshots of ledger {} were filled after this transaction's snapshot",
            registry::relation_name(ledger)
        ),
    )
    .hint("Retry the transaction."))
}

/// What a transaction fills holds what others had committed by then, which its own snapshot, if it
/// keeps one, may not see in the ledger.
fn filled_by_itself(ledger: pg_sys::Oid) -> Failure {
    Failure::new(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!(
            "this transaction attached or filled ledger {}, or changed its parts, after its snapshot",
            registry::relation_name(ledger)
        ),
    )
    .detail("Its snapshots may count rows of the ledger that this transaction does not see.")
    .hint("Commit first, or use isolation level READ COMMITTED.")
}

/// Whoever may read the ledger may read what is derived from it, unless row-level security hides
/// rows from them: sums cannot leave those out.
fn check_rights(ledger: pg_sys::Oid, entry: &Entry) -> Result<(), Failure> {
    // SAFETY: catalog look-ups by value.
    unsafe {
        let user = pg_sys::GetUserId();
        let select = pg_sys::ACL_SELECT as pg_sys::AclMode;
        let may_read = pg_sys::pg_class_aclcheck(ledger, user, select)
            == pg_sys::AclResult::ACLCHECK_OK
            || may_read_columns(ledger, &entry.mapped_columns, user, select);
        if !may_read {
            return Err(Failure::new(
                PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!(
                    "permission denied for ledger {}",
                    registry::relation_name(ledger)
                ),
            )
            .hint("Its snapshots can be read by roles with SELECT on the ledger."));
        }
        let state = pg_sys::check_enable_rls(ledger, user, true);
        if state == pg_sys::CheckEnableRlsResult::RLS_ENABLED as i32 {
            return Err(Failure::new(
                PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!(
                    "row-level security of ledger {} applies to this role",
                    registry::relation_name(ledger)
                ),
            )
            .detail("Balances are sums over rows that the role may not see.")
            .hint(
                "Give such roles a SECURITY DEFINER function that returns the keys they may see.",
            ));
        }
    }
    Ok(())
}

/// Rights to every column that is mapped serve as well.
unsafe fn may_read_columns(
    ledger: pg_sys::Oid,
    columns: &[i16],
    user: pg_sys::Oid,
    mode: pg_sys::AclMode,
) -> bool {
    // SAFETY: catalog look-ups by value.
    !columns.is_empty()
        && columns.iter().all(|column| unsafe {
            pg_sys::pg_attribute_aclcheck(ledger, *column, user, mode)
                == pg_sys::AclResult::ACLCHECK_OK
        })
}

/// The months with movements, in no order, as the active snapshot sees them.
pub fn stored_months(ledger: pg_sys::Oid) -> Result<Vec<i32>, Failure> {
    let entry = check(ledger)?;
    let mut months = Vec::new();
    // SAFETY: a table with one column, a day that is not NULL: its owner may have made another one
    // of it since it was checked. A query is running, so there is an active snapshot.
    let is_read = unsafe {
        scan(
            entry.months,
            pg_sys::GetActiveSnapshot(),
            |table| has_columns(table, &[pg_sys::DATEOID]) && is_without_nulls(table),
            |slot| months.push((*(*slot).tts_values).value() as i32),
        )
    };
    if is_read {
        Ok(months)
    } else {
        Err(altered_columns(entry.months))
    }
}

/// True, or error 22004 for a NULL day.
#[pg_extern(sql = false)]
fn check_day(as_of: Option<Date>) -> bool {
    required(as_of, "as_of").or_raise();
    true
}

/// True, or an error for a NULL day or a range that ends before it begins.
#[pg_extern(sql = false)]
fn check_period(from_date: Option<Date>, to_date: Option<Date>) -> bool {
    period(from_date, to_date).or_raise();
    true
}

/// The number of days of a range, both ends included.
#[pg_extern(sql = false)]
fn history_length(from_date: Option<Date>, to_date: Option<Date>) -> i32 {
    let (from, to) = period(from_date, to_date).or_raise();
    if from == i32::MIN || to == i32::MAX {
        Failure::new(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "from_date and to_date must not be infinite",
        )
        .detail("A history has one row for every day of the range.")
        .hint("Pass the first and the last day that you need.")
        .raise();
    }
    to - from + 1
}

pub fn period(from_date: Option<Date>, to_date: Option<Date>) -> Result<(i32, i32), Failure> {
    let from = required(from_date, "from_date")?.to_pg_epoch_days();
    let to = required(to_date, "to_date")?.to_pg_epoch_days();
    if from > to {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "from_date is after to_date",
        )
        .hint("Pass the first day of the range first."));
    }
    Ok((from, to))
}
