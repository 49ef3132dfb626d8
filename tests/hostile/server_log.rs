//! What the server's log says that no server may say.

use std::fs;
use std::path::PathBuf;

/// The server is gone, or was near it.
const CRASHES: [&str; 7] = [
    "was terminated by signal",
    "was terminated by exception",
    "PANIC: ",
    "TRAP: ",
    "terminating any other active server processes",
    // With a server that checks itself: memory written beyond its end, and what valgrind says.
    "detected write past chunk end",
    "VALGRIND",
];

/// Rust has panicked, and pgrx has made an error of it.
const PANICS: [&str; 22] = [
    "panicked at",
    "called `Option::unwrap()`",
    "called `Result::unwrap()`",
    "already borrowed",
    "already mutably borrowed",
    "RefCell already",
    "index out of bounds",
    "out of range for slice",
    "slice index starts at",
    "byte index",
    "attempt to add with overflow",
    "attempt to subtract with overflow",
    "attempt to multiply with overflow",
    "attempt to negate with overflow",
    "attempt to divide by zero",
    "assertion failed",
    "assertion `left",
    "unreachable code",
    "null pointer dereference",
    "misaligned pointer dereference",
    "cannot unwind",
    "unsafe precondition",
];

/// A reader of the log that goes on where it stopped.
pub struct ServerLog {
    file: PathBuf,
    read: usize,
}

impl ServerLog {
    pub fn of(file: PathBuf) -> Self {
        Self { file, read: 0 }
    }

    /// Whole lines that were written since the last call.
    pub fn new_lines(&mut self) -> Vec<String> {
        let log = fs::read(&self.file).unwrap_or_default();
        let end = log
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let text = String::from_utf8_lossy(&log[self.read.min(end)..end]).into_owned();
        self.read = end;
        text.lines().map(str::to_owned).collect()
    }
}

/// The lines that tell of a crash or a panic.
pub fn alarming(lines: &[String]) -> Vec<String> {
    let is_alarming = |line: &&String| {
        CRASHES.iter().chain(&PANICS).any(|sign| line.contains(sign))
            // What a client sent is no sign of anything.
            && !line.contains("STATEMENT: ")
    };
    lines.iter().filter(is_alarming).cloned().collect()
}
