//! The sessions that write.

use std::io::Write;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

use postgres::Client;
use postgres::error::{Error, SqlState};
use rand::Rng;

use super::load::{Ending, Load, is_deadlock_with_truncate, is_older_than_storage};
use super::plan::{self, End, Plan, Step};

impl Load<'_> {
    pub(super) fn write(&self, name: &str, number: usize) -> Result<(), Ending> {
        let (mut client, mut rng) = self.session(self.cluster, name)?;
        while self.goes_on() {
            let plan = plan::transaction(&mut rng, self.shape, number);
            match self.execute(&mut client, &plan, name) {
                Ok(()) => {
                    self.outcome.transactions.fetch_add(1, Relaxed);
                    if plan.truncates {
                        self.outcome.truncations.fetch_add(1, Relaxed);
                    }
                }
                Err(Ending::Refused(error)) if self.is_of_the_writers_making(&error, &plan) => {
                    self.outcome.refused_transactions.fetch_add(1, Relaxed);
                    client.batch_execute("ROLLBACK")?;
                }
                Err(ending) => return Err(ending),
            }
            if rng.random_bool(0.1) {
                thread::sleep(Duration::from_millis(rng.random_range(0..20)));
            }
        }
        Ok(())
    }

    fn execute(&self, client: &mut Client, plan: &Plan, name: &str) -> Result<(), Ending> {
        client.batch_execute(&format!("BEGIN ISOLATION LEVEL {}", plan.isolation))?;
        for step in &plan.steps {
            match step {
                Step::Run(sql) => client.batch_execute(sql)?,
                Step::Copy { statement, rows } => {
                    let mut copy = client.copy_in(statement.as_str())?;
                    copy.write_all(rows.as_bytes())
                        .map_err(|error| Ending::Wrong(format!("{statement}: {error}")))?;
                    copy.finish()?;
                }
                Step::Compare(comparison) if self.is_attached() => {
                    self.compare_once(client, comparison)?;
                }
                Step::Compare(_) => {}
            }
        }
        let identifier = format!("{} {name}", self.database);
        match plan.end {
            End::Commit => client.batch_execute("COMMIT")?,
            End::Rollback => client.batch_execute("ROLLBACK")?,
            End::PrepareThenCommit => {
                client.batch_execute(&format!("PREPARE TRANSACTION '{identifier}'"))?;
                client.batch_execute(&format!("COMMIT PREPARED '{identifier}'"))?;
            }
            End::PrepareThenRollback => {
                client.batch_execute(&format!("PREPARE TRANSACTION '{identifier}'"))?;
                client.batch_execute(&format!("ROLLBACK PREPARED '{identifier}'"))?;
            }
        }
        Ok(())
    }

    /// Refusals that the same statements would meet without the extension.
    fn is_of_the_writers_making(&self, error: &Error, plan: &Plan) -> bool {
        let Some(refusal) = error.as_db_error() else {
            return false;
        };
        if is_deadlock_with_truncate(error) || is_older_than_storage(error) {
            return true;
        }
        let code = refusal.code();
        if *code == SqlState::FEATURE_NOT_SUPPORTED {
            return self.refuses_merge()
                && refusal
                    .message()
                    .starts_with("MERGE cannot both insert and update rows of");
        }
        // The extension's own statements would be named in the context.
        if refusal
            .where_()
            .is_some_and(|context| context.contains("inventory_perf"))
        {
            return false;
        }
        if *code == SqlState::T_R_SERIALIZATION_FAILURE {
            // A row that another session moved to another partition is beyond following.
            return plan.isolation != "READ COMMITTED"
                || refusal.message().contains("moved to another partition");
        }
        // Only a row that moves to another day can meet the same reference there.
        *code == SqlState::UNIQUE_VIOLATION
            && self.shape.conflict_target != "(reference)"
            && refusal.schema() == Some(self.shape.schema)
    }
}
