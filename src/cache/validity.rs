//! Who may be served from the cache, and who may fill it.
//!
//! A commit that the reader's snapshot sees either still has its row in the outbox, visible to the
//! same snapshot, or was delivered before the snapshot was taken. So a reader that finds no row
//! which concerns it, and reads the store afterwards, finds stamps from which every commit it sees
//! has been taken out.

use pgrx::pg_sys;
use pgrx::prelude::*;
use pgrx::spi::{OwnedPreparedStatement, SpiClient};

use super::matching;
use super::names::StampName;
use super::stats::Miss;
use super::store;
use crate::error::Failure;
use crate::prepared::Prepared;
use crate::{security, settings};

/// More rows than that are not looked through: then nobody is served.
const OUTBOX_ROWS: i64 = 10_000;

/// What a reader compares the store's answer with. Valid for the snapshot it was made under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    pub epoch: String,
    pub run_id: String,
    /// Batches that the store has: whatever this snapshot does not see in the outbox any more is
    /// among them.
    pub batches: u64,
    pub moment: Moment,
    /// There are undelivered rows, though none that concerns what was asked about.
    pub has_undelivered: bool,
}

/// How much of the past a snapshot sees: every transaction before this number had ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

/// Whether the stamp is there since before anything that the moment does not see was delivered: so
/// whatever the moment does not see removes it. Stamps of an earlier epoch are: when the present
/// one was recorded, everything before had been committed.
pub fn is_since(stamp: &str, epoch: &str, moment: Moment) -> bool {
    let mut parts = stamp.splitn(3, ':').skip(1);
    let (Some(made), Some(made_in)) = (parts.next(), parts.next()) else {
        return false;
    };
    // one in a table becomes visible when its transaction commits, in whatever epoch that is
    let (made, may_be_earlier) = match made.strip_prefix('x') {
        Some(made) => (made, false),
        None => (made, made_in != epoch),
    };
    made.parse()
        .is_ok_and(|number| may_be_earlier || Moment(number) <= moment)
}

impl Admission {
    /// Whether the server that answered is the confirmed one, with the data it was confirmed with
    /// and all that was delivered since.
    pub fn check_server(
        &self,
        run_id: &str,
        epoch: Option<&str>,
        batches: Option<u64>,
    ) -> Result<(), Miss> {
        let has_all = batches.is_some_and(|batches| batches >= self.batches);
        if self.run_id == run_id && epoch == Some(self.epoch.as_str()) && has_all {
            return Ok(());
        }
        store::doubt();
        Err(Miss::UnconfirmedServer)
    }
}

/// What keeps this transaction from the cache, whatever it asks for.
pub fn obstacle() -> Option<Miss> {
    // SAFETY: looks at the state of the own transaction.
    unsafe {
        if !settings::CACHE_ENABLED.get() {
            Some(Miss::Disabled)
        } else if pg_sys::RecoveryInProgress() {
            Some(Miss::Recovery)
        } else if pg_sys::XactIsoLevel >= pg_sys::XACT_REPEATABLE_READ as i32 {
            Some(Miss::IsolationLevel)
        } else if pg_sys::GetTopTransactionIdIfAny() != pg_sys::InvalidTransactionId {
            Some(Miss::OwnWrites)
        } else {
            None
        }
    }
}

/// Whether what depends on these names may be read from the cache under the active snapshot.
pub fn admit(names: &[StampName]) -> Result<Result<Admission, Miss>, Failure> {
    if let Some(miss) = obstacle() {
        return Ok(Err(miss));
    }
    let (keys, tags) = split(names);
    let moment = moment();
    let rows = undelivered(&keys, &tags)?;
    let Some(Row {
        epoch,
        run_id,
        is_current: true,
        batches,
        ..
    }) = rows.first()
    else {
        return Ok(Err(Miss::NoEpoch));
    };
    if rows.len() as i64 > OUTBOX_ROWS || rows.iter().any(|row| row.concerns(&keys, &tags)) {
        return Ok(Err(Miss::Undelivered));
    }
    Ok(Ok(Admission {
        epoch: epoch.clone(),
        run_id: run_id.clone(),
        batches: store::confirmed_batches(*batches),
        moment,
        has_undelivered: rows.iter().any(|row| row.is_outbox),
    }))
}

/// What the active snapshot sees. A transaction that writes for long holds it back.
pub fn moment() -> Moment {
    // SAFETY: a function is called with an active snapshot.
    let xmin = unsafe { (*pg_sys::GetActiveSnapshot()).xmin };
    Moment(full(xmin))
}

/// Not before this moment does a snapshot see everything that statements of this session saw so
/// far. What is delivered comes from before it.
pub fn upper_bound() -> Moment {
    // SAFETY: the snapshot is static and only looked at.
    let xmax = unsafe { (*pg_sys::GetLatestSnapshot()).xmax };
    Moment(full(xmax))
}

/// The transaction number that never wraps around.
fn full(id: pg_sys::TransactionId) -> u64 {
    // SAFETY: reads a counter. A snapshot's numbers are at most half the circle from it.
    let next = unsafe { pg_sys::ReadNextFullTransactionId() }.value;
    let behind = (next as u32).wrapping_sub(id.into_inner()) as i32;
    next.saturating_add_signed(-i64::from(behind))
}

fn split(names: &[StampName]) -> (Vec<String>, Vec<String>) {
    let (mut keys, mut tags) = (Vec::new(), Vec::new());
    for name in names {
        match name {
            StampName::Key(key) => keys.push(key.clone()),
            StampName::Tag(tag) => tags.push(tag.clone()),
        }
    }
    (keys, tags)
}

struct Row {
    epoch: String,
    run_id: String,
    is_current: bool,
    batches: i64,
    /// There is a row of the outbox; else this is the state alone.
    is_outbox: bool,
    is_concerned: bool,
    patterns: Vec<Option<String>>,
    tag_patterns: Vec<Option<String>>,
}

impl Row {
    fn concerns(&self, keys: &[String], tags: &[String]) -> bool {
        let any = |patterns: &[Option<String>], names: &[String]| {
            patterns
                .iter()
                .flatten()
                .any(|pattern| names.iter().any(|name| matching::matches(pattern, name)))
        };
        self.is_concerned || any(&self.patterns, keys) || any(&self.tag_patterns, tags)
    }
}

/// One row for each of the outbox, or one for an empty outbox, or none without a state.
fn undelivered(keys: &[String], tags: &[String]) -> Result<Vec<Row>, Failure> {
    thread_local! {
        static UNDELIVERED: Prepared =
            const { Prepared::new(include_str!("../../sql/cache/undelivered.sql")) };
    }
    let types = [
        PgBuiltInOids::TEXTARRAYOID.oid(),
        PgBuiltInOids::TEXTARRAYOID.oid(),
        PgBuiltInOids::INT8OID.oid(),
    ];
    let arguments = [
        keys.to_vec().into(),
        tags.to_vec().into(),
        (OUTBOX_ROWS + 1).into(),
    ];
    let read = |client: &SpiClient, plan: &OwnedPreparedStatement| {
        client
            .select(plan, None, &arguments)?
            .map(|row| {
                let is_concerned = row.get::<bool>(5)?;
                Ok(Row {
                    epoch: row.get::<String>(1)?.unwrap_or_default(),
                    run_id: row.get::<String>(2)?.unwrap_or_default(),
                    is_current: row.get::<bool>(3)?.unwrap_or(false),
                    batches: row.get::<i64>(4)?.unwrap_or_default(),
                    is_outbox: is_concerned.is_some(),
                    is_concerned: is_concerned.unwrap_or(false),
                    patterns: row.get::<Vec<Option<String>>>(6)?.unwrap_or_default(),
                    tag_patterns: row.get::<Vec<Option<String>>>(7)?.unwrap_or_default(),
                })
            })
            .collect()
    };
    let owner = security::owner_of_tables()?;
    security::run_as(owner, || {
        Spi::connect(|client| {
            let rows = UNDELIVERED.with(|query| query.with_plan(client, &types, read))?;
            Ok(rows)
        })
    })
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_stamp_must_be_older_than_the_value() {
        for (stamp, expected) in [
            ("ab:10:e", true),
            ("ab:11:e", false),
            ("ab:11:earlier", true),
            ("ab:", false),
            ("ab::", false),
            ("ab", false),
            ("", false),
            ("ab:-1:e", false),
            ("ab:x10:", true),
            ("ab:x11:", false),
            ("ab:x11:e", false),
            ("ab:18446744073709551616:e", false),
        ] {
            assert_eq!(is_since(stamp, "e", Moment(10)), expected, "{stamp}");
        }
    }
}
