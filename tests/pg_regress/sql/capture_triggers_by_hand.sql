-- Capture triggers are told by the function that they call: one more, one less, or another one in the
-- place of one makes the ledger stale.
\set VERBOSITY terse
CREATE TABLE moves (product int, quantity int, moved_at date);
CREATE PROCEDURE altered_by(VARIADIC commands text[]) LANGUAGE plpgsql AS $$
DECLARE
    command text;
    found text;
BEGIN
    PERFORM inventory_perf.attach_ledger('moves', product => 'product', quantity => 'quantity', moved_at => 'moved_at');
    FOREACH command IN ARRAY commands LOOP EXECUTE command; END LOOP;
    SELECT state INTO found FROM inventory_perf.ledgers;
    RAISE NOTICE 'state %', found;
    IF found = 'stale' THEN
        PERFORM inventory_perf.rebuild_ledger('moves');
    END IF;
    INSERT INTO moves VALUES (1, 1, '2024-01-01');
    SELECT format('%s of %s', (SELECT quantity_on_hand FROM stock_levels), count(*)) INTO found FROM moves;
    RAISE NOTICE '%', found;
    PERFORM inventory_perf.detach_ledger('moves', drop_data => true);
END $$;

CALL altered_by('ALTER TRIGGER "00_inventory_perf_insert" ON moves RENAME TO mine');
CALL altered_by('ALTER TRIGGER "00_inventory_perf_insert" ON moves RENAME TO mine', 'DROP TRIGGER mine ON moves');
CALL altered_by('CREATE OR REPLACE TRIGGER "00_inventory_perf_insert" AFTER INSERT ON moves REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT WHEN (false) EXECUTE FUNCTION inventory_perf.capture_moves()');
CALL altered_by('CREATE OR REPLACE TRIGGER "00_inventory_perf_insert" AFTER INSERT ON moves REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION inventory_perf.invalidate_cache(''a'')');
CALL altered_by('CREATE TRIGGER another AFTER INSERT ON moves REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION inventory_perf.capture_moves()');
CALL altered_by('CREATE TRIGGER another AFTER UPDATE OF moved_at ON moves FOR EACH STATEMENT EXECUTE FUNCTION inventory_perf.capture_moves()');
CALL altered_by('CREATE OR REPLACE TRIGGER "00_inventory_perf_update" AFTER UPDATE OF moved_at ON moves FOR EACH STATEMENT EXECUTE FUNCTION inventory_perf.capture_moves()');
CALL altered_by('CREATE OR REPLACE TRIGGER "00_inventory_perf_delete" AFTER DELETE ON moves FOR EACH STATEMENT EXECUTE FUNCTION inventory_perf.capture_moves()');
CALL altered_by('ALTER TABLE moves DISABLE TRIGGER USER', 'ALTER TABLE moves ENABLE TRIGGER USER');
CALL altered_by('ALTER TABLE moves ENABLE TRIGGER ALL');
CALL altered_by('SET LOCAL session_replication_role = replica', 'DROP TRIGGER "00_inventory_perf_insert" ON moves', 'RESET session_replication_role');
