-- Delivery and the background workers.

CREATE FUNCTION inventory_perf.deliver_invalidations("limit" bigint DEFAULT NULL) RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'deliver_invalidations_wrapper';
COMMENT ON FUNCTION inventory_perf.deliver_invalidations(bigint) IS
'delivers what committed transactions made invalid: all of it, or about "limit" rows of the outbox; returns how many rows. For where no background worker runs. Errors: 25001 in a transaction block or a transaction that has written, 08000 Redis does not answer (nothing is lost), 22023 limit not positive, 25006 read only';
REVOKE ALL ON FUNCTION inventory_perf.deliver_invalidations(bigint) FROM PUBLIC;

CREATE FUNCTION inventory_perf.wait_until_delivered(timeout interval DEFAULT '10 s') RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'wait_until_delivered_wrapper';
COMMENT ON FUNCTION inventory_perf.wait_until_delivered(interval) IS
'waits until everything that was in the outbox at the call has been delivered; false when that took longer than timeout. Errors: 25001 this transaction has written, 22004 a null argument';
REVOKE ALL ON FUNCTION inventory_perf.wait_until_delivered(interval) FROM PUBLIC;

CREATE FUNCTION inventory_perf.worker_status_rows()
RETURNS TABLE (database text, pid integer, fold_pid integer, state text,
               delivered bigint, last_delivery timestamptz, folds bigint, last_fold timestamptz,
               last_error text, last_error_at timestamptz)
LANGUAGE c VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'worker_status_rows_wrapper';
COMMENT ON FUNCTION inventory_perf.worker_status_rows() IS
'what the view inventory_perf.worker_status shows';
REVOKE ALL ON FUNCTION inventory_perf.worker_status_rows() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION inventory_perf.worker_status_rows() TO pg_monitor;

CREATE VIEW inventory_perf.worker_status AS
SELECT w.database, w.pid, w.fold_pid, w.state, w.delivered, w.last_delivery, w.folds, w.last_fold,
       w.last_error, w.last_error_at
FROM inventory_perf.worker_status_rows() w;
COMMENT ON VIEW inventory_perf.worker_status IS
'the background workers of all databases since the server started; empty unless shared_preload_libraries names inventory_perf';
REVOKE ALL ON inventory_perf.worker_status FROM PUBLIC;
GRANT SELECT ON inventory_perf.worker_status TO pg_monitor;

CREATE FUNCTION inventory_perf.start_worker() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'start_worker_wrapper';
COMMENT ON FUNCTION inventory_perf.start_worker() IS
'has the launcher start this database''s background worker once the transaction has committed; the extension''s scripts call it';
REVOKE ALL ON FUNCTION inventory_perf.start_worker() FROM PUBLIC;

SELECT inventory_perf.start_worker();
