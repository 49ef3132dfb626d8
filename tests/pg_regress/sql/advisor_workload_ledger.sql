-- What is typically asked of an attached ledger, as a workload for the advisor.
CREATE TABLE "Moves" (
    id bigserial PRIMARY KEY, tenant_id int, product_id int, source int, target int,
    quantity numeric, state text, moved_at timestamptz);
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger(
    '"Moves"', from_location => 'source', to_location => 'target',
    filter => 'state = ''done''', quantity => 'abs(quantity)');
SELECT w FROM unnest(inventory_perf.ledger_workload('"Moves"')) w;
SELECT DISTINCT status, reason
FROM inventory_perf.workload_coverage(inventory_perf.ledger_workload('"Moves"'));

-- its storage is not for the advisor
SELECT status, reason FROM inventory_perf.workload_coverage(ARRAY['SELECT * FROM stock_days', 'SELECT * FROM daily_stock_snapshots']);

CREATE TABLE plain (id int);
SELECT inventory_perf.ledger_workload('plain');
SELECT inventory_perf.ledger_workload(NULL);
CREATE ROLE ledger_stranger;
SET ROLE ledger_stranger;
SELECT inventory_perf.ledger_workload('"Moves"');
RESET ROLE;
DROP ROLE ledger_stranger;
