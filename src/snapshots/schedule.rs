//! Entries in pg_cron, where it is installed.

use pgrx::prelude::*;

use crate::error::{Failure, OrRaise, required};
use crate::whole_errors::whole;

const FOLD_JOB: &str = "inventory_perf fold";
const VERIFY_JOB: &str = "inventory_perf verify";
const FOLD: &str = "SELECT * FROM inventory_perf.populate_daily_stock_snapshots()";
const VERIFY: &str = "SELECT inventory_perf.assert_exact()";

#[pg_extern(sql = false)]
fn schedule_jobs(
    fold_schedule: Option<String>,
    verify_schedule: Option<String>,
) -> TableIterator<
    'static,
    (
        name!(job_name, String),
        name!(schedule, String),
        name!(command, String),
    ),
> {
    whole(|| {
        let scheduled = (|| {
            let mut jobs = vec![(FOLD_JOB, required(fold_schedule, "fold_schedule")?, FOLD)];
            jobs.extend(verify_schedule.map(|schedule| (VERIFY_JOB, schedule, VERIFY)));
            require_cron()?;
            remove_jobs()?;
            for (name, schedule, command) in &jobs {
                call(
                    "SELECT cron.schedule($1, $2, $3)",
                    &[(*name).into(), schedule.as_str().into(), (*command).into()],
                )?;
            }
            Ok::<_, Failure>(
                jobs.into_iter()
                    .map(|(name, schedule, command)| {
                        (name.to_owned(), schedule, command.to_owned())
                    })
                    .collect::<Vec<_>>(),
            )
        })();
        TableIterator::new(scheduled.or_raise())
    })
}

/// Returns how many entries were removed.
#[pg_extern(sql = false)]
fn unschedule_jobs() -> i32 {
    whole(|| require_cron().and_then(|()| remove_jobs()).or_raise())
}

fn remove_jobs() -> Result<i32, Failure> {
    let removed = Spi::connect_mut(|client| {
        client
            .update(
                "SELECT count(cron.unschedule(j.jobid))::integer FROM cron.job j \
                 WHERE j.jobname IN ($1, $2) AND j.username = CURRENT_USER \
                   AND j.database = pg_catalog.current_database()",
                None,
                &[FOLD_JOB.into(), VERIFY_JOB.into()],
            )?
            .first()
            .get_one::<i32>()
    })?;
    Ok(removed.unwrap_or(0))
}

fn call(query: &str, arguments: &[pgrx::datum::DatumWithOid]) -> Result<(), Failure> {
    Spi::connect_mut(|client| client.update(query, None, arguments).map(|_| ()))?;
    Ok(())
}

fn require_cron() -> Result<(), Failure> {
    let installed = Spi::connect(|client| {
        client
            .select(
                "SELECT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'pg_cron')",
                Some(1),
                &[],
            )?
            .first()
            .get_one::<bool>()
    })?;
    if installed == Some(true) {
        return Ok(());
    }
    Err(Failure::new(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        "extension \"pg_cron\" is not installed in this database",
    )
    .hint(
        "Add pg_cron to shared_preload_libraries, set cron.database_name to this database, restart, \
         and run CREATE EXTENSION pg_cron; or call populate_daily_stock_snapshots() from any other \
         scheduler.",
    ))
}
