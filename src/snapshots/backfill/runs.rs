//! Sorted runs of legs in temporary files, for ledgers that do not fit into memory.

use pgrx::pg_sys;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::VecDeque;

use crate::ledger::legs::{Leg, LegBuffer};
use crate::versions;

/// Legs read from a run at once.
const READ_AHEAD: usize = 4_096;

#[derive(Default)]
pub struct Runs {
    files: Vec<Run>,
}

/// One sorted run. PostgreSQL removes its file when the transaction ends at the latest.
struct Run {
    file: *mut pg_sys::BufFile,
    left: usize,
    ahead: VecDeque<Leg>,
}

impl Runs {
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Moves the legs of the buffer to a run of their own.
    pub fn spill(&mut self, buffer: &mut LegBuffer) {
        buffer.sort();
        let legs = &buffer.legs;
        // SAFETY: legs are plain data of a fixed size; the file is read back by this backend only.
        let file = unsafe {
            let file = pg_sys::BufFileCreateTemp(false);
            pg_sys::BufFileWrite(
                file,
                legs.as_ptr().cast_mut().cast(),
                size_of_val(&legs[..]),
            );
            file
        };
        self.files.push(Run {
            file,
            left: legs.len(),
            ahead: VecDeque::new(),
        });
        buffer.legs.clear();
    }

    /// The legs of all runs in order.
    pub fn merged(&mut self) -> Merged<'_> {
        for run in &mut self.files {
            // SAFETY: back to the start of the file that was written above.
            unsafe { pg_sys::BufFileSeek(run.file, 0, 0, 0) };
        }
        let mut next = BinaryHeap::with_capacity(self.files.len());
        for (number, run) in self.files.iter_mut().enumerate() {
            next.extend(run.next().map(|leg| Reverse((leg, number))));
        }
        Merged {
            runs: &mut self.files,
            next,
        }
    }
}

impl Drop for Runs {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for run in &self.files {
            // SAFETY: closed once; after an error PostgreSQL closes it itself.
            unsafe { pg_sys::BufFileClose(run.file) };
        }
    }
}

impl Run {
    fn next(&mut self) -> Option<Leg> {
        if self.ahead.is_empty() && self.left > 0 {
            let count = self.left.min(READ_AHEAD);
            let mut legs: Vec<Leg> = Vec::with_capacity(count);
            // SAFETY: `spill` wrote that many legs, which are plain data, to the file.
            unsafe {
                versions::read_exactly(
                    self.file,
                    legs.as_mut_ptr().cast(),
                    count * size_of::<Leg>(),
                );
                legs.set_len(count);
            }
            self.left -= count;
            self.ahead = legs.into();
        }
        self.ahead.pop_front()
    }
}

pub struct Merged<'a> {
    runs: &'a mut [Run],
    next: BinaryHeap<Reverse<(Leg, usize)>>,
}

impl Iterator for Merged<'_> {
    type Item = Leg;

    fn next(&mut self) -> Option<Leg> {
        let Reverse((leg, number)) = self.next.pop()?;
        self.next
            .extend(self.runs[number].next().map(|leg| Reverse((leg, number))));
        Some(leg)
    }
}
