//! The name under which a result is cached: everything that it depends on, in one hash.

use pgrx::pg_sys;
use sha2::{Digest, Sha256};
use std::ffi::{CStr, CString};

use super::dependencies::{Dependencies, Settings};
use crate::versions;

/// Settings that decide how values are read and written, or what the query means.
const SETTINGS: [&CStr; 17] = [
    c"search_path",
    c"row_security",
    c"TimeZone",
    c"timezone_abbreviations",
    c"DateStyle",
    c"IntervalStyle",
    c"extra_float_digits",
    c"bytea_output",
    c"lc_messages",
    c"lc_monetary",
    c"lc_numeric",
    c"lc_time",
    c"default_text_search_config",
    c"xmlbinary",
    c"xmloption",
    c"array_nulls",
    c"quote_all_identifiers",
];

/// Hashes fields so that no two lists of fields give the same bytes.
#[derive(Default)]
struct Fields(Sha256);

impl Fields {
    fn add(&mut self, field: Option<&[u8]>) {
        match field {
            Some(bytes) => {
                self.0.update((bytes.len() as u64).to_be_bytes());
                self.0.update(bytes);
            }
            None => self.0.update(u64::MAX.to_be_bytes()),
        }
    }

    fn add_number(&mut self, number: u32) {
        self.add(Some(&number.to_be_bytes()));
    }

    fn finish(self) -> String {
        use std::fmt::Write;
        self.0
            .finalize()
            .iter()
            .fold(String::with_capacity(64), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            })
    }
}

/// The hash in hexadecimal digits.
pub fn key(
    query: &CStr,
    parameters: &[Option<String>],
    tags: &[String],
    dependencies: &Dependencies,
) -> String {
    let mut fields = Fields::default();
    // SAFETY: backend variables, and copies of names in the current memory context.
    unsafe {
        fields.add_number(pg_sys::MyDatabaseId.to_u32());
        let database = pg_sys::get_database_name(pg_sys::MyDatabaseId);
        fields.add((!database.is_null()).then(|| CStr::from_ptr(database).to_bytes()));
        for role in [pg_sys::GetUserId(), pg_sys::GetSessionUserId()] {
            fields.add_number(role.to_u32());
            // It may have had another name before.
            let name = pg_sys::GetUserNameFromId(role, true);
            fields.add((!name.is_null()).then(|| CStr::from_ptr(name).to_bytes()));
        }
        if dependencies.on_date {
            fields.add_number(pg_sys::GetSQLCurrentDate() as u32);
        }
    }
    fields.add(Some(query.to_bytes()));
    fields.add(Some(&dependencies.fingerprint));
    for setting in SETTINGS {
        fields.add(value(setting).map(CStr::to_bytes));
    }
    add_settings(&dependencies.settings, &mut fields);
    fields.add_number(parameters.len() as u32);
    for parameter in parameters {
        fields.add(parameter.as_deref().map(str::as_bytes));
    }
    for tag in tags {
        fields.add(Some(tag.as_bytes()));
    }
    fields.finish()
}

fn add_settings(settings: &Settings, fields: &mut Fields) {
    let wanted: fn(&CStr) -> bool = match settings {
        Settings::Named(names) => {
            for name in names {
                let value = CString::new(name.as_str()).ok().and_then(|name| {
                    // Copied before another look-up can overwrite it.
                    value(&name).map(|value| value.to_bytes().to_vec())
                });
                fields.add(Some(name.as_bytes()));
                fields.add(value.as_deref());
            }
            return;
        }
        Settings::Custom => |name| name.to_bytes().contains(&b'.'),
        Settings::All => |_| true,
    };
    for_each_setting(|name, is_default| {
        if wanted(name) && !is_default {
            fields.add(Some(name.to_bytes()));
            fields.add(value(name).map(CStr::to_bytes));
        }
    });
}

/// Calls `each` with names, and whether nobody set that to anything: a library that is not loaded yet
/// behaves the same.
fn for_each_setting(mut each: impl FnMut(&CStr, bool)) {
    // SAFETY: PostgreSQL's own array of that many settings, whose names last as long as they do.
    unsafe {
        let (variables, count) = versions::settings();
        for index in 0..count as usize {
            let variable = &**variables.add(index);
            // One that no library knows is empty by default, and not the same as not there.
            let is_placeholder = variable.flags & pg_sys::GUC_CUSTOM_PLACEHOLDER as i32 != 0;
            let is_default = variable.source == pg_sys::GucSource::PGC_S_DEFAULT && !is_placeholder;
            each(CStr::from_ptr(variable.name), is_default);
        }
    }
}

/// The value of a setting; none if there is no such setting.
fn value(name: &CStr) -> Option<&'static CStr> {
    // SAFETY: the value lasts until the next look-up at least, and is hashed before.
    unsafe {
        let value = pg_sys::GetConfigOption(name.as_ptr(), true, false);
        (!value.is_null()).then(|| CStr::from_ptr(value))
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    fn hash(fields: &[Option<&str>]) -> String {
        let mut all = Fields::default();
        for field in fields {
            all.add(field.map(str::as_bytes));
        }
        all.finish()
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        let lists: [&[Option<&str>]; 6] = [
            &[Some("ab")],
            &[Some("a"), Some("b")],
            &[Some("ab"), Some("")],
            &[Some(""), Some("ab")],
            &[None, Some("ab")],
            &[Some("ab"), None],
        ];
        for (index, one) in lists.iter().enumerate() {
            for other in &lists[index + 1..] {
                assert_ne!(hash(one), hash(other), "{one:?} {other:?}");
            }
        }
        assert_eq!(hash(lists[0]), hash(lists[0]));
        assert_eq!(hash(lists[0]).len(), 64);
    }
}
