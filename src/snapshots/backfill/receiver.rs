//! Reads the mapping view row by row as the executor produces it, without keeping the rows.

use pgrx::pg_sys;
use pgrx::prelude::*;
use std::ffi::CString;
use std::time::{Duration, Instant};

use super::runs::Runs;
use crate::error::{Failure, OrRaise};
use crate::ledger::capture::check_interrupts;
use crate::ledger::legs::LegBuffer;
use crate::settings;

const REPORT_EVERY: Duration = Duration::from_secs(2);
/// How many rows pass between looks at the clock.
const LOOK_EVERY: i64 = 65_536;

pub struct Reading {
    pub buffer: LegBuffer,
    pub runs: Runs,
    pub rows: i64,
    pub not_counted: i64,
    ledger: String,
    expected_rows: Option<f64>,
    reported: Instant,
    has_reported: bool,
    limit: usize,
}

/// A DestReceiver of PostgreSQL with the reading behind it.
#[repr(C)]
struct Receiver {
    base: pg_sys::DestReceiver,
    reading: *mut Reading,
}

impl Reading {
    pub fn new(buffer: LegBuffer, ledger: String, expected_rows: Option<f64>) -> Self {
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
            limit: bytes / size_of::<crate::ledger::legs::Leg>(),
        }
    }

    /// Runs the query with the active snapshot and collects the legs of every row.
    pub fn run(&mut self, query: &str) -> Result<(), Failure> {
        let query = CString::new(query).map_err(|_| {
            Failure::new(
                PgSqlErrorCode::ERRCODE_INTERNAL_ERROR,
                "query contains a null character",
            )
        })?;
        let mut receiver = Receiver {
            base: pg_sys::DestReceiver {
                receiveSlot: Some(receive),
                rStartup: Some(start_up),
                rShutdown: Some(ignore),
                rDestroy: Some(ignore),
                mydest: pg_sys::CommandDest::DestNone,
            },
            reading: self,
        };
        let status = Spi::connect(|_| {
            let options = pg_sys::SPIExecuteOptions {
                read_only: true,
                dest: (&raw mut receiver).cast(),
                ..Default::default()
            };
            // SAFETY: the receiver lives on this stack frame until the query has ended.
            unsafe { pg_sys::SPI_execute_extended(query.as_ptr(), &options) }
        });
        Spi::check_status(status)?;
        self.report(true);
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
            self.buffer.add_row(values, nulls, false)?
        };
        self.rows += 1;
        self.not_counted += i64::from(!counted);
        if self.buffer.legs.len() >= self.limit {
            self.runs.spill(&mut self.buffer);
        }
        if self.rows % LOOK_EVERY == 0 {
            check_interrupts();
            self.report(false);
        }
        Ok(())
    }

    /// A line of progress now and then; at the end only if there was one before.
    fn report(&mut self, finished: bool) {
        if !finished && self.reported.elapsed() < REPORT_EVERY {
            return;
        }
        if finished && !self.has_reported {
            return;
        }
        self.has_reported = true;
        self.reported = Instant::now();
        let share = match self.expected_rows {
            Some(expected) if !finished => {
                format!(", {:.0} %", (100.0 * self.rows as f64 / expected).min(99.0))
            }
            _ => String::new(),
        };
        ereport!(
            PgLogLevel::INFO,
            PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
            format!("{}: {} rows read{share}", self.ledger, self.rows)
        );
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn receive(
    slot: *mut pg_sys::TupleTableSlot,
    receiver: *mut pg_sys::DestReceiver,
) -> bool {
    // SAFETY: `run` made this receiver, and waits for the query to end.
    unsafe {
        let reading = &mut *(*receiver.cast::<Receiver>()).reading;
        reading.add(slot).or_raise();
    }
    true
}

#[pg_guard]
unsafe extern "C-unwind" fn start_up(
    _receiver: *mut pg_sys::DestReceiver,
    _operation: i32,
    _columns: pg_sys::TupleDesc,
) {
}

#[pg_guard]
unsafe extern "C-unwind" fn ignore(_receiver: *mut pg_sys::DestReceiver) {}
