//! Reads the mapping view row by row, and reports progress.

use pgrx::pg_sys;
use pgrx::prelude::*;
use std::time::{Duration, Instant};

use super::runs::Runs;
use crate::error::{Failure, OrRaise};
use crate::executor;
use crate::ledger::capture::{append_wide, check_interrupts};
use crate::ledger::legs::{Leg, LegBuffer};
use crate::ledger::registry::Ledger;
use crate::settings;

const REPORT_EVERY: Duration = Duration::from_secs(2);
/// How many rows pass between looks at the clock.
const LOOK_EVERY: i64 = 65_536;
/// Legs too wide for integers that are held before they are written.
const WIDE_BATCH: usize = 10_000;

pub struct Reading<'a> {
    pub buffer: LegBuffer,
    pub runs: Runs,
    pub rows: i64,
    pub not_counted: i64,
    ledger: &'a Ledger,
    expected_rows: Option<f64>,
    reported: Instant,
    has_reported: bool,
    limit: usize,
}

impl<'a> Reading<'a> {
    pub fn new(buffer: LegBuffer, ledger: &'a Ledger, expected_rows: Option<f64>) -> Self {
        let bytes = settings::BACKFILL_MEMORY.get() as usize * 1024;
        Self {
            buffer,
            runs: Runs::default(),
            rows: 0,
            not_counted: 0,
            ledger,
            expected_rows,
            reported: Instant::now(),
            has_reported: false,
            limit: bytes / size_of::<Leg>(),
        }
    }

    /// Runs the query with the active snapshot and collects the legs of every row.
    pub fn run(&mut self, query: &str) -> Result<(), Failure> {
        // SAFETY: the query's columns are those of the mapping view.
        executor::for_each_row(query, |slot| unsafe { self.add(slot) }.or_raise())?;
        append_wide(self.ledger, &mut self.buffer)?;
        if self.has_reported {
            self.report("");
        }
        Ok(())
    }

    unsafe fn add(&mut self, slot: *mut pg_sys::TupleTableSlot) -> Result<(), Failure> {
        // SAFETY: the slot holds a row of the mapping view; after deforming it has a datum and a
        // null flag for each column, which it does not need again.
        let counted = unsafe {
            pg_sys::slot_getallattrs(slot);
            let columns = (*slot).tts_nvalid as usize;
            let values = std::slice::from_raw_parts_mut((*slot).tts_values, columns);
            let nulls = std::slice::from_raw_parts_mut((*slot).tts_isnull, columns);
            self.buffer
                .add_row(values, nulls, false)
                .map_err(|failure| failure.about(format!("ledger {}", self.ledger.name)))?
        };
        self.rows += 1;
        self.not_counted += i64::from(!counted);
        if self.buffer.legs.len() >= self.limit {
            self.runs.spill(&mut self.buffer);
        }
        if self.buffer.wide.len() >= WIDE_BATCH {
            append_wide(self.ledger, &mut self.buffer)?;
        }
        if self.rows % LOOK_EVERY == 0 {
            check_interrupts();
            if self.reported.elapsed() >= REPORT_EVERY {
                let share = self.expected_rows.map_or(String::new(), |expected| {
                    format!(", {:.0} %", (100.0 * self.rows as f64 / expected).min(99.0))
                });
                self.report(&share);
            }
        }
        Ok(())
    }

    fn report(&mut self, share: &str) {
        self.has_reported = true;
        self.reported = Instant::now();
        ereport!(
            PgLogLevel::INFO,
            PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
            format!("{}: {} rows read{share}", self.ledger.name, self.rows)
        );
    }
}
