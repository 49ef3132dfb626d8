//! Exact daily stock snapshots for PostgreSQL inventory ledgers.

::pgrx::pg_module_magic!(name, version);
