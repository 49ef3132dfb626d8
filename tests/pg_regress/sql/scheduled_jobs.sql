-- schedule_jobs needs pg_cron; without it a clear error says so.
SELECT * FROM inventory_perf.schedule_jobs();
SELECT * FROM inventory_perf.schedule_jobs(fold_schedule => '*/5 * * * *', verify_schedule => '0 3 * * *');
SELECT inventory_perf.unschedule_jobs();
SELECT * FROM inventory_perf.schedule_jobs(NULL);
