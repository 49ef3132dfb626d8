//! A memory context of PostgreSQL for a piece of work, freed when that is done.

use pgrx::pg_sys;
use std::ffi::CStr;

pub struct Memory {
    context: pg_sys::MemoryContext,
}

impl Memory {
    pub fn new(name: &'static CStr) -> Self {
        // SAFETY: a child of the current context, which is freed with it after an error.
        let context = unsafe {
            pg_sys::AllocSetContextCreateInternal(
                pg_sys::CurrentMemoryContext,
                name.as_ptr(),
                0,
                8 * 1024,
                8 * 1024 * 1024,
            )
        };
        Self { context }
    }

    /// Does work that allocates here. After an error PostgreSQL goes on in a context of its own.
    pub fn within<R>(&self, work: impl FnOnce() -> R) -> R {
        // SAFETY: the context lives as long as `self`.
        let previous = unsafe { pg_sys::MemoryContextSwitchTo(self.context) };
        let result = work();
        // SAFETY: the context that was current before.
        unsafe { pg_sys::MemoryContextSwitchTo(previous) };
        result
    }

    /// Frees what was allocated here.
    ///
    /// # Safety
    /// Nothing points to it any more.
    pub unsafe fn reset(&self) {
        // SAFETY: as the caller promises.
        unsafe { pg_sys::MemoryContextReset(self.context) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: an error frees it with its parent instead.
            unsafe { pg_sys::MemoryContextDelete(self.context) }
        }
    }
}
