//! Cached queries: computed once, and given again for as long as that is exact.
//!
//! A call is answered in this order: the caller's rights are checked; one query finds out whether a
//! change that the active snapshot sees is still undelivered; one round trip reads the entry with
//! the present stamps. To fill, stamps come first, then a new snapshot, then the query: what commits
//! after that snapshot takes away a stamp that the entry is stored with.

mod dependencies;
mod entries;
mod execution;
mod functions;
mod key;
mod named_values;
mod nodes;
pub mod output;
mod parameters;
mod registered;
mod request;
mod rights;
mod rows;
mod statement;
mod statements;

use pgrx::pg_sys;
use pgrx::prelude::*;
use std::ffi::CStr;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;

use super::stats::{self, Counter, Miss};
use super::store;
use super::text;
use super::validity::{self, Admission};
use crate::error::{Failure, OrRaise};
use crate::executor::raw_function;
use dependencies::Dependencies;
use entries::{Found, Place, Waited, guarded};
use parameters::Parameters;
use request::Request;
use rows::Rows;
use statements::Prepared;

raw_function!(
    /// `cached_query(query, params, ttl, tags)`
    pg_finfo_inventory_perf_cached_query,
    inventory_perf_cached_query,
    cached_query
);

unsafe fn cached_query(call: pg_sys::FunctionCallInfo) -> Result<(), Failure> {
    // SAFETY: the arguments are declared with these types, and the function as SETOF jsonb.
    let (request, mut rows) = unsafe { (Request::of_call(call, 0)?, Rows::of_call(call)?) };
    let query = Query::new(&request)?;
    match query.served(&mut rows)? {
        Served::Yes => Ok(()),
        Served::Fill(place, admission) => query
            .fill(&place, &admission.epoch, &mut |row| rows.add(row))
            .map(|_| ()),
        Served::Compute => query.compute(|row| rows.add(row)),
    }
}

enum Served {
    /// The rows are there.
    Yes,
    /// This call is the one to compute them for the others.
    Fill(Place, Admission),
    Compute,
}

/// A request, prepared.
struct Query<'a> {
    request: &'a Request,
    prepared: Rc<Prepared>,
    parameters: Parameters,
}

/// What filling came to.
struct Filled {
    rows: u64,
    bytes: u64,
    is_stored: bool,
}

impl<'a> Query<'a> {
    fn new(request: &'a Request) -> Result<Self, Failure> {
        let prepared = statements::prepare(&request.query)?;
        let types = prepared.statement.parameter_types();
        Ok(Self {
            request,
            parameters: parameters::convert(&request.params, types)?,
            prepared,
        })
    }

    fn compute(&self, each: impl FnMut(&CStr)) -> Result<(), Failure> {
        execution::run(&self.prepared.statement, self.parameters.list, each)
    }

    /// Gives the rows out of the cache, if they are there and exact.
    fn served(&self, rows: &mut Rows) -> Result<Served, Failure> {
        if let Some(miss) = validity::obstacle() {
            stats::count(Counter::Missed(miss));
            return Ok(Served::Compute);
        }
        let Some(place) = self.place()? else {
            return Ok(Served::Compute);
        };
        let Some(admission) = place.admit()? else {
            return Ok(Served::Compute);
        };
        let found = match place.find(&admission) {
            Found::Rows(found) => Some(found),
            Found::Bypass => None,
            Found::Nothing => match place.begin() {
                Some(true) => return Ok(Served::Fill(place, admission)),
                Some(false) => match place.wait(&admission) {
                    Waited::Rows(found) => Some(found),
                    Waited::Turn => return Ok(Served::Fill(place, admission)),
                    Waited::Nothing => None,
                },
                None => None,
            },
        };
        let Some(found) = found else {
            return Ok(Served::Compute);
        };
        if rows.add_all(&found) {
            stats::count(Counter::Hits);
            Ok(Served::Yes)
        } else {
            stats::count(Counter::Missed(Miss::Corrupt));
            Ok(Served::Compute)
        }
    }

    /// Where the rows are stored, if they can be and the caller may read them.
    fn place(&self) -> Result<Option<Place>, Failure> {
        let dependencies = {
            let plan = self.prepared.statement.generic_plan();
            let dependencies = self.prepared.dependencies(&plan)?;
            rights::check(&plan, &dependencies)?;
            dependencies
        };
        let own_tags = &self.request.tags;
        if let Some(obstacle) = &dependencies.obstacle
            && (own_tags.is_empty() || !obstacle.tags_help)
        {
            tell_obstacle(&dependencies);
            stats::count(Counter::Missed(Miss::NotCacheable));
            return Ok(None);
        }
        let digest = key::key(
            self.prepared.statement.text(),
            &self.parameters.identity,
            own_tags,
            &dependencies,
        );
        let tags = if own_tags.is_empty() {
            &dependencies.tags
        } else {
            own_tags
        };
        Ok(Some(Place::new(digest, tags)))
    }

    /// Whether the statement still means what it meant when its place was worked out.
    fn is_unchanged(&self, before: &Dependencies) -> bool {
        // SAFETY: a look at shared memory when there is nothing new.
        unsafe { pg_sys::AcceptInvalidationMessages() };
        self.prepared.is_current() && before.are_of(&self.prepared.statement.generic_plan())
    }

    /// Computes the rows as the one that was chosen to, and stores them.
    fn fill(
        &self,
        place: &Place,
        epoch: &str,
        each: &mut dyn FnMut(&CStr),
    ) -> Result<Filled, Failure> {
        let filled = guarded(
            place,
            AssertUnwindSafe(|| self.compute_and_store(place, epoch, each)),
        );
        place.end();
        filled
    }

    fn compute_and_store(
        &self,
        place: &Place,
        epoch: &str,
        each: &mut dyn FnMut(&CStr),
    ) -> Result<Filled, Failure> {
        let stamps = place.stamps(self.request.ttl);
        let before = self
            .prepared
            .dependencies(&self.prepared.statement.generic_plan())?;
        let mut payload = Payload::new(if stamps.is_some() {
            store::largest_entry()
        } else {
            0
        });
        self.compute(|row| {
            payload.add(row.to_bytes());
            each(row);
        })?;
        let mut filled = Filled {
            rows: payload.rows,
            bytes: payload.bytes,
            is_stored: false,
        };
        let Some(stamps) = stamps else {
            stats::count(Counter::FillsRefused);
            return Ok(filled);
        };
        match payload.finish() {
            Some(rows) if !text::is_shared(rows.as_bytes()) || !self.is_unchanged(&before) => {
                stats::count(Counter::FillsRefused);
            }
            Some(rows) => filled.is_stored = place.write(epoch, stamps, &rows, self.request.ttl),
            None => stats::count(Counter::FillsTooLarge),
        }
        Ok(filled)
    }
}

/// Computes and stores a query, whatever is stored already.
fn warm(request: &Request) -> Result<Filled, Failure> {
    let query = Query::new(request)?;
    let mut filled = Filled {
        rows: 0,
        bytes: 0,
        is_stored: false,
    };
    if validity::obstacle().is_none()
        && let Some(place) = query.place()?
        && let Some(admission) = place.admit()?
    {
        place.begin();
        return query.fill(&place, &admission.epoch, &mut |_| {});
    }
    query.compute(|row| {
        filled.rows += 1;
        filled.bytes += row.count_bytes() as u64;
    })?;
    Ok(filled)
}

/// Rows as one JSON array, until they are too many to be stored.
struct Payload {
    json: Option<Vec<u8>>,
    limit: usize,
    rows: u64,
    /// Of the rows alone.
    bytes: u64,
}

impl Payload {
    fn new(limit: usize) -> Self {
        Self {
            json: Some(vec![b'[']),
            limit,
            rows: 0,
            bytes: 0,
        }
    }

    fn add(&mut self, row: &[u8]) {
        let is_first = self.rows == 0;
        self.rows += 1;
        self.bytes += row.len() as u64;
        if let Some(json) = &mut self.json {
            let comma = usize::from(!is_first);
            if json.len() + comma + row.len() + 1 > self.limit {
                self.json = None;
                return;
            }
            if !is_first {
                json.push(b',');
            }
            json.extend_from_slice(row);
        }
    }

    fn finish(self) -> Option<String> {
        let mut json = self.json?;
        json.push(b']');
        String::from_utf8(json).ok()
    }
}

/// Once for each plan: whoever wrote the query can do something about it.
fn tell_obstacle(dependencies: &Dependencies) {
    if let Some(obstacle) = &dependencies.obstacle
        && !dependencies.told.replace(true)
        && let Some(hint) = &obstacle.hint
    {
        pg_sys::panic::ErrorReport::new(
            PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
            format!("query is computed each time: {}", obstacle.what),
            "",
        )
        .set_hint(hint.clone())
        .report(PgLogLevel::NOTICE);
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    fn payload(limit: usize, rows: &[&str]) -> (Option<String>, u64) {
        let mut payload = Payload::new(limit);
        for row in rows {
            payload.add(row.as_bytes());
        }
        let bytes = payload.bytes;
        (payload.finish(), bytes)
    }

    #[test]
    fn rows_become_an_array_of_bounded_size() {
        assert_eq!(payload(10, &[]).0.unwrap(), "[]");
        assert_eq!(payload(10, &["{}", "1"]).0.unwrap(), "[{},1]");
        assert_eq!(payload(10, &["12345678"]).0.unwrap(), "[12345678]");
        assert_eq!(payload(10, &["123456789"]), (None, 9));
        assert_eq!(payload(10, &["1234", "12345"]), (None, 9));
        assert_eq!(payload(0, &["1"]), (None, 1));
    }
}
