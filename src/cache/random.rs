//! Names that nobody can guess and no two callers share.

use pgrx::pg_sys;
use std::fmt::Write;

/// 32 hexadecimal digits from the system's secure source of random numbers.
pub fn hex() -> String {
    let mut bytes = [0u8; 16];
    // SAFETY: fills the buffer that it is given the length of.
    let filled = unsafe { pg_sys::pg_strong_random(bytes.as_mut_ptr().cast(), bytes.len()) };
    assert!(filled, "no random numbers from the system");
    bytes
        .iter()
        .fold(String::with_capacity(32), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}
