-- Who is told that stock runs low.

CREATE TABLE inventory_perf.low_stock_thresholds (
    ledger regclass NOT NULL,
    -- Key columns and the text of their values; {} is every key of the ledger.
    key jsonb NOT NULL,
    threshold numeric NOT NULL,
    PRIMARY KEY (ledger, key)
);
COMMENT ON TABLE inventory_perf.low_stock_thresholds IS
'below which stock of a ledger''s keys the event inventory:low_stock:alert is told; alert_low_stock() writes it';

CREATE TABLE inventory_perf.low_stock (
    ledger regclass NOT NULL,
    key jsonb NOT NULL,
    PRIMARY KEY (ledger, key)
);
COMMENT ON TABLE inventory_perf.low_stock IS
'internal to inventory_perf: keys whose low stock was told, until it is not low any more';

SELECT pg_catalog.pg_extension_config_dump('inventory_perf.low_stock_thresholds', '');
SELECT pg_catalog.pg_extension_config_dump('inventory_perf.low_stock', '');

CREATE FUNCTION inventory_perf.alert_low_stock(
    ledger regclass, threshold numeric, key jsonb DEFAULT '{}'
) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'alert_low_stock_wrapper';
COMMENT ON FUNCTION inventory_perf.alert_low_stock(regclass, numeric, jsonb) IS
'has the event inventory:low_stock:alert told when stock of a ledger''s key falls below the threshold: of every key, or of those with these values of key columns, where the threshold with the most columns counts. NULL takes it back. Needs ownership of the ledger. Errors: 55000 not an attached ledger, or nothing tells of its changes, 42501 not the owner, 22023 not a key of the ledger or not a number, 22004 a null argument';
REVOKE ALL ON FUNCTION inventory_perf.alert_low_stock(regclass, numeric, jsonb) FROM PUBLIC;
