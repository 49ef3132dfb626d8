//! Jobs of pg_cron.

use super::*;

#[test]
fn jobs_without_pg_cron_are_refused_clearly() {
    let mut client = shop();
    for call in ["schedule_jobs()", "unschedule_jobs()"] {
        let refused = client.refusal(&format!("SELECT inventory_perf.{call}"));
        assert_eq!(refused.code(), &SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE);
        assert!(refused.message().contains("pg_cron"), "{refused:?}");
        assert!(refused.hint().is_some(), "{refused:?}");
    }
}

#[test]
fn pg_cron_folds() {
    let cluster = Cluster::with_test_settings()
        .set("shared_preload_libraries", "'pg_cron'")
        .set("cron.database_name", "'test_0'")
        .set("cron.use_background_workers", "on")
        .start();
    let name = cluster.database();
    let mut client = cluster.connect(&name);
    client.run(
        "CREATE EXTENSION pg_cron;
         CREATE TABLE moves (product_id int, quantity int, moved_at date);
         SELECT inventory_perf.attach_ledger('moves');
         INSERT INTO moves VALUES (1, 1, '2024-01-01')",
    );
    assert_eq!(
        client.rows(
            "SELECT job_name, schedule
             FROM inventory_perf.schedule_jobs('0 5 * * *', verify_schedule => '0 6 * * *')"
        ),
        [
            "(\"inventory_perf fold\",\"0 5 * * *\")",
            "(\"inventory_perf verify\",\"0 6 * * *\")"
        ]
    );
    // Scheduling again changes the entries instead of adding to them.
    client.run("SELECT inventory_perf.schedule_jobs(verify_schedule => '* * * * *')");
    assert_eq!(
        client.rows("SELECT DISTINCT schedule, count(*) OVER () FROM cron.job"),
        ["(\"* * * * *\",2)"]
    );
    // pg_cron looks at the clock once a minute.
    let deadline = Instant::now() + Duration::from_secs(150);
    let ended = "SELECT count(DISTINCT jobid) FROM cron.job_run_details WHERE status = 'succeeded'";
    while client.ask::<i64>(ended) < 2
        || client.ask::<i64>("SELECT pending_rows FROM inventory_perf.ledgers") > 0
    {
        let runs = client.rows("SELECT status, return_message FROM cron.job_run_details");
        assert!(Instant::now() < deadline, "pg_cron did not fold: {runs:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(
        client.rows("SELECT * FROM stock_levels"),
        ["(1,1,2024-01-01)"]
    );
    assert_eq!(
        client.ask::<i32>("SELECT inventory_perf.unschedule_jobs()"),
        2
    );
    assert_eq!(client.ask::<i64>("SELECT count(*) FROM cron.job"), 0);
    assert_eq!(
        client.ask::<i32>("SELECT inventory_perf.unschedule_jobs()"),
        0
    );
}
