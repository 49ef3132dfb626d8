//! The arguments of a cached query.

use pgrx::datum::Interval;
use pgrx::pg_sys;
use pgrx::prelude::*;
use std::time::Duration;

use crate::cache::text;
use crate::error::{Failure, required};
use crate::snapshots::untyped::argument;

/// As long as anything may be cached.
const LONGEST_TTL: Duration = Duration::from_secs(3_660 * 86_400);
/// What one name can be, so that what is kept of a query stays small.
const LONGEST_TAG: usize = 512;
const MOST_TAGS: usize = 1_000;

pub struct Request {
    pub query: String,
    /// A JSON array, with every digit of its numbers.
    pub params: String,
    pub ttl: Duration,
    /// Sorted, each once. Empty: the tables that the query reads.
    pub tags: Vec<String>,
}

impl Request {
    /// The request that the arguments from `first` on make.
    ///
    /// # Safety
    /// They are declared as query text, params jsonb, ttl interval, tags text[].
    pub unsafe fn of_call(call: pg_sys::FunctionCallInfo, first: usize) -> Result<Self, Failure> {
        // SAFETY: as the caller promises.
        unsafe {
            let query = text::argument(argument(call, first, "query")?, "query")?;
            let params = text::json(argument(call, first + 1, "params")?, "params")?;
            let ttl = argument(call, first + 2, "ttl")?;
            let tags = text::array(argument(call, first + 3, "tags")?, "tags")?;
            Self::new(query, params, ttl, tags)
        }
    }

    pub fn new(
        query: String,
        params: String,
        ttl: Interval,
        tags: Vec<Option<String>>,
    ) -> Result<Self, Failure> {
        Ok(Self {
            query,
            params,
            ttl: duration(&ttl)?,
            tags: checked_tags(tags)?,
        })
    }
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, message)
}

/// A month counts as 30 days, as in PostgreSQL's own comparisons.
fn duration(ttl: &Interval) -> Result<Duration, Failure> {
    let days = i128::from(ttl.months()) * 30 + i128::from(ttl.days());
    let microseconds = days * 86_400_000_000 + i128::from(ttl.micros());
    if microseconds <= 0 {
        return Err(invalid("ttl is not positive")
            .hint("Pass how long the rows may be kept, as in '60 s'."));
    }
    let ttl = u64::try_from(microseconds)
        .map(Duration::from_micros)
        .unwrap_or(Duration::MAX);
    if ttl > LONGEST_TTL {
        return Err(invalid("ttl is longer than ten years").hint("Pass a shorter one."));
    }
    Ok(ttl.max(Duration::from_millis(1)))
}

fn checked_tags(tags: Vec<Option<String>>) -> Result<Vec<String>, Failure> {
    let mut tags = tags
        .into_iter()
        .map(|tag| required(tag, "tags"))
        .collect::<Result<Vec<String>, Failure>>()?;
    if tags.len() > MOST_TAGS {
        return Err(invalid(format!("more than {MOST_TAGS} tags"))
            .hint("Use a tag that stands for more, such as one for the tenant."));
    }
    if let Some(tag) = tags
        .iter()
        .find(|tag| tag.is_empty() || tag.len() > LONGEST_TAG)
    {
        let what = if tag.is_empty() { "empty" } else { "too long" };
        return Err(invalid(format!("a tag is {what}"))
            .hint(format!("A tag has 1 to {LONGEST_TAG} bytes.")));
    }
    tags.sort_unstable();
    tags.dedup();
    Ok(tags)
}
