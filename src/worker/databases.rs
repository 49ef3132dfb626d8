//! The databases of the server, read from the shared catalog.

use pgrx::pg_sys;
use std::ffi::CStr;

pub struct Database {
    pub oid: pg_sys::Oid,
    pub name: String,
    /// Templates are there to be copied: a worker in one would only be in the way.
    pub takes_workers: bool,
}

/// Every database. Needs a transaction, but no connection to a database.
pub fn all() -> Vec<Database> {
    let mut databases = Vec::new();
    // SAFETY: a scan of a catalog whose rows begin with the fixed columns of its struct.
    unsafe {
        let lock = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
        let catalog = pg_sys::table_open(pg_sys::DatabaseRelationId, lock);
        let scan = pg_sys::table_beginscan_catalog(catalog, 0, std::ptr::null_mut());
        loop {
            let tuple = pg_sys::heap_getnext(scan, pg_sys::ScanDirection::ForwardScanDirection);
            if tuple.is_null() {
                break;
            }
            let row = &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_database>();
            let name = CStr::from_ptr(row.datname.data.as_ptr());
            databases.push(Database {
                oid: row.oid,
                name: name.to_string_lossy().into_owned(),
                takes_workers: row.datallowconn && !row.datistemplate,
            });
        }
        pg_sys::table_endscan(scan);
        pg_sys::table_close(catalog, lock);
    }
    databases
}
