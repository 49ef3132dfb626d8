//! Text from the database. In the cache, and in Rust, text is UTF-8; a database has the encoding that
//! it was created with. What is not the same in both stays out of the cache.

use pgrx::datum::Array;
use pgrx::pg_sys;
use pgrx::prelude::*;
use std::ffi::CStr;
use std::sync::OnceLock;

use crate::error::Failure;

/// Which text of the database is UTF-8 as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shared {
    All,
    /// The database does not know the encoding of what it holds.
    Valid,
    Ascii,
}

impl Shared {
    fn includes(self, text: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Valid => std::str::from_utf8(text).is_ok(),
            Self::Ascii => text.is_ascii(),
        }
    }
}

fn encoding() -> Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    *SHARED.get_or_init(|| {
        // SAFETY: the encoding of the database that this process is connected to for good.
        match unsafe { pg_sys::GetDatabaseEncoding() } as u32 {
            pg_sys::pg_enc::PG_UTF8 => Shared::All,
            pg_sys::pg_enc::PG_SQL_ASCII => Shared::Valid,
            _ => Shared::Ascii,
        }
    })
}

/// Whether text of the database is the same in UTF-8.
pub fn is_shared(text: &[u8]) -> bool {
    encoding().includes(text)
}

/// The text, if it is the same in UTF-8.
pub fn shared(text: &[u8]) -> Option<&str> {
    std::str::from_utf8(text).ok().filter(|_| is_shared(text))
}

/// The text, if it is the same in UTF-8; `what` says in an error what it is.
pub fn checked(text: &[u8], what: &str) -> Result<String, Failure> {
    shared(text).map(str::to_owned).ok_or_else(|| foreign(what))
}

pub fn foreign(what: &str) -> Failure {
    // SAFETY: the name is a C string that lasts.
    let encoding = unsafe { CStr::from_ptr(pg_sys::GetDatabaseEncodingName()) };
    Failure::new(
        PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
        format!(
            "{what} has characters that inventory_perf cannot take from a database with encoding {}",
            encoding.to_string_lossy()
        ),
    )
    .hint("Use ASCII characters only, or a database with ENCODING 'UTF8'.")
}

/// What a text argument holds.
///
/// # Safety
/// The datum is of type text.
pub unsafe fn argument(datum: pg_sys::Datum, name: &str) -> Result<String, Failure> {
    // SAFETY: as the caller promises; a text is bytes after its length.
    let bytes = unsafe { <&[u8]>::from_datum(datum, false) }.unwrap_or_default();
    checked(bytes, &format!("argument \"{name}\""))
}

/// What an argument that is an array of texts holds.
///
/// # Safety
/// The datum is of type text[].
pub unsafe fn array(datum: pg_sys::Datum, name: &str) -> Result<Vec<Option<String>>, Failure> {
    // SAFETY: as the caller promises; a text is bytes after its length.
    let Some(array) = (unsafe { Array::<&[u8]>::from_datum(datum, false) }) else {
        return Ok(Vec::new());
    };
    let what = format!("argument \"{name}\"");
    array
        .iter()
        .map(|bytes| bytes.map(|bytes| checked(bytes, &what)).transpose())
        .collect()
}

/// The text of a jsonb argument, with every digit of its numbers.
///
/// # Safety
/// The datum is of type jsonb.
pub unsafe fn json(datum: pg_sys::Datum, name: &str) -> Result<String, Failure> {
    // SAFETY: jsonb_out() takes one jsonb and returns a C string.
    let text = unsafe {
        let text = pg_sys::OidFunctionCall1Coll(
            pg_sys::Oid::from(pg_sys::F_JSONB_OUT),
            pg_sys::InvalidOid,
            datum,
        );
        CStr::from_ptr(text.cast_mut_ptr())
    };
    checked(text.to_bytes(), &format!("argument \"{name}\""))
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn only_text_that_is_the_same_in_utf8_is_shared() {
        for (text, valid, ascii) in [
            ("abc".as_bytes(), true, true),
            ("é".as_bytes(), true, false),
            (b"\xe9", false, false),
        ] {
            assert!(Shared::All.includes(text));
            assert_eq!(Shared::Valid.includes(text), valid);
            assert_eq!(Shared::Ascii.includes(text), ascii);
        }
    }
}
