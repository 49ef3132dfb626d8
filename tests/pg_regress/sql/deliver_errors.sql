-- what delivery and waiting for it refuse
SELECT inventory_perf.deliver_invalidations(0);
SELECT inventory_perf.deliver_invalidations(-1);
SELECT inventory_perf.wait_until_delivered(NULL);
-- nothing is there to wait for
SELECT inventory_perf.wait_until_delivered('0 s');
SELECT inventory_perf.wait_until_delivered('-1 s');
BEGIN;
SELECT inventory_perf.invalidate_keys('a');
SAVEPOINT s;
SELECT inventory_perf.deliver_invalidations();
ROLLBACK TO s;
SELECT inventory_perf.wait_until_delivered();
ROLLBACK;
-- others would wait for its end
BEGIN;
SELECT inventory_perf.deliver_invalidations();
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT inventory_perf.deliver_invalidations(1);
ROLLBACK;
BEGIN READ ONLY;
SELECT inventory_perf.deliver_invalidations();
ROLLBACK;
-- nobody delivers here
SELECT inventory_perf.invalidate_keys('a');
SELECT inventory_perf.wait_until_delivered('10 ms');
-- not preloaded: no workers
SELECT * FROM inventory_perf.worker_status;
-- rights
CREATE ROLE deliver_nobody;
CREATE ROLE deliver_monitor IN ROLE pg_monitor;
SET ROLE deliver_nobody;
SELECT inventory_perf.deliver_invalidations();
SELECT inventory_perf.wait_until_delivered();
SELECT inventory_perf.start_worker();
SELECT * FROM inventory_perf.worker_status;
SET ROLE deliver_monitor;
SELECT count(*) FROM inventory_perf.worker_status;
RESET ROLE;
-- who may wait may do so without seeing the outbox
GRANT EXECUTE ON FUNCTION inventory_perf.wait_until_delivered(interval) TO deliver_nobody;
SET ROLE deliver_nobody;
SELECT inventory_perf.wait_until_delivered('10 ms');
RESET ROLE;
REVOKE EXECUTE ON FUNCTION inventory_perf.wait_until_delivered(interval) FROM deliver_nobody;
DROP ROLE deliver_nobody, deliver_monitor;
