-- The cache: outbox, state, invalidation, cached reads.

-- Outbox and invalidation

CREATE TABLE inventory_perf.cache_outbox (
    captured_at timestamptz NOT NULL,
    -- The table written to, or the root of its partitions, and the kind of statement.
    relation oid,
    operation text,
    -- NULL is none, which takes a writer nothing.
    keys text[],
    tags text[],
    patterns text[],
    tag_patterns text[],
    channels text[],
    changes jsonb,
    flush boolean NOT NULL,
    broadened boolean NOT NULL,
    -- 0, unless the statement says more than a row holds: its rows are numbered from 1.
    part integer NOT NULL DEFAULT 0
) USING heap WITH (
    -- A page, as what is deleted a moment later is not worth being moved out of line.
    toast_tuple_target = 8160,
    autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0, autovacuum_vacuum_insert_scale_factor = 1.0,
    autovacuum_analyze_scale_factor = 0.0, autovacuum_analyze_threshold = 1000000,
    toast.autovacuum_vacuum_scale_factor = 0.0, toast.autovacuum_vacuum_threshold = 1000,
    toast.autovacuum_vacuum_cost_delay = 0
);
-- Writers do not spend time on compressing what is deleted a moment later.
ALTER TABLE inventory_perf.cache_outbox
    ALTER COLUMN keys SET STORAGE EXTERNAL,
    ALTER COLUMN tags SET STORAGE EXTERNAL,
    ALTER COLUMN channels SET STORAGE EXTERNAL;
-- A publication of all tables must not stop the delivery from deleting.
ALTER TABLE inventory_perf.cache_outbox REPLICA IDENTITY FULL;
COMMENT ON TABLE inventory_perf.cache_outbox IS
'internal to inventory_perf: what committed transactions made invalid and is not delivered yet, one row per statement, or several of a page each';

CREATE FUNCTION inventory_perf.invalidate_cache() RETURNS trigger
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'inventory_perf_invalidate';
COMMENT ON FUNCTION inventory_perf.invalidate_cache() IS
'trigger, AFTER, FOR EACH STATEMENT with transition tables or FOR EACH ROW: makes invalid what its arguments name when the transaction commits. Arguments are templates with columns in braces: keys, tags with "tag:" before them, channels to publish to with "channel:"; "when:" and a column name makes only those rows of an UPDATE count that it changed in. Errors: 39P01 not an AFTER trigger, or one that does not see the rows; 22023 not a template';

CREATE FUNCTION inventory_perf.invalidate_on_change(
    relation regclass,
    keys text[] DEFAULT '{}',
    tags text[] DEFAULT '{}',
    channels text[] DEFAULT '{}',
    when_changed text[] DEFAULT '{}'
) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'invalidate_on_change_wrapper';
COMMENT ON FUNCTION inventory_perf.invalidate_on_change(regclass, text[], text[], text[], text[]) IS
'makes every change of a table, and of its partitions or children, invalidate these keys and tags and be told on these channels, all templates with columns in braces; an UPDATE counts where one of the columns when_changed did. Replaces what was said of the table before. Needs ownership of the table. Errors: 42809 not such a table, 42501 not the owner, 42703 no such column, 22023 not a template, 0A000 a part of another table, or a subscription writes to it';

CREATE FUNCTION inventory_perf.stop_invalidating(relation regclass) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'stop_invalidating_wrapper';
COMMENT ON FUNCTION inventory_perf.stop_invalidating(regclass) IS
'removes the triggers of invalidate_on_change() from a table and its parts. Needs ownership of the table. Error: 42501 not the owner';

CREATE FUNCTION inventory_perf.sync_invalidation(altered oid[]) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sync_invalidation_wrapper';
COMMENT ON FUNCTION inventory_perf.sync_invalidation(oid[]) IS
'gives new partitions and children the triggers of invalidate_on_change(), takes them from former ones, and makes invalid what depends on tables that were altered; the event trigger calls it';
REVOKE ALL ON FUNCTION inventory_perf.sync_invalidation(oid[]) FROM PUBLIC;

CREATE FUNCTION inventory_perf.invalidate_keys(VARIADIC keys text[]) RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'invalidate_keys_wrapper';
COMMENT ON FUNCTION inventory_perf.invalidate_keys(text[]) IS
'makes these keys of the cache invalid when the transaction commits; returns how many different ones there were. Errors: 22004 a null argument, 22023 a reserved key';
REVOKE ALL ON FUNCTION inventory_perf.invalidate_keys(text[]) FROM PUBLIC;

CREATE FUNCTION inventory_perf.cache_delete(VARIADIC keys text[]) RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cache_delete_wrapper';
COMMENT ON FUNCTION inventory_perf.cache_delete(text[]) IS
'deletes these keys from the cache when the transaction commits; returns how many different ones there were. Errors: 22004 a null argument, 22023 a reserved key';
REVOKE ALL ON FUNCTION inventory_perf.cache_delete(text[]) FROM PUBLIC;

CREATE FUNCTION inventory_perf.invalidate_tags(VARIADIC tags text[]) RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'invalidate_tags_wrapper';
COMMENT ON FUNCTION inventory_perf.invalidate_tags(text[]) IS
'makes everything that is cached with one of these tags invalid when the transaction commits; returns how many different ones there were. Error: 22004 a null argument';
REVOKE ALL ON FUNCTION inventory_perf.invalidate_tags(text[]) FROM PUBLIC;

CREATE FUNCTION inventory_perf.invalidate_pattern(pattern text) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'invalidate_pattern_wrapper';
COMMENT ON FUNCTION inventory_perf.invalidate_pattern(text) IS
'makes every key that matches the pattern invalid when the transaction commits: * stands for any text, ? for one character, \ takes the meaning from the character after it. Error: 22004 a null argument';
REVOKE ALL ON FUNCTION inventory_perf.invalidate_pattern(text) FROM PUBLIC;

CREATE FUNCTION inventory_perf.cache_flush() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cache_flush_wrapper';
COMMENT ON FUNCTION inventory_perf.cache_flush() IS
'makes everything that is cached invalid when the transaction commits';
REVOKE ALL ON FUNCTION inventory_perf.cache_flush() FROM PUBLIC;

-- State

-- Not logged on purpose: after a crash and after a promotion it is empty, and nothing is served
-- until a deliverer has made a new epoch.
CREATE UNLOGGED TABLE inventory_perf.cache_state (
    epoch text NOT NULL,
    -- The run of the server that holds the entries.
    run_id text NOT NULL,
    -- Another one when that server became a primary again.
    replication_id text NOT NULL,
    -- Batches of invalidations that it has at least; with the library preloaded, as of the epoch's
    -- beginning.
    batches bigint NOT NULL,
    confirmed_at timestamptz NOT NULL,
    -- The start of PostgreSQL that it belongs to: completion counts compare only within one.
    started_at timestamptz NOT NULL
);
COMMENT ON TABLE inventory_perf.cache_state IS
'internal to inventory_perf: the epoch that entries of the cache must belong to; no row, no cached answer';

-- Values under keys

CREATE FUNCTION inventory_perf.cache_get(key text) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cache_get_wrapper';
COMMENT ON FUNCTION inventory_perf.cache_get(text) IS
'the value that the cache has under the key, never older than what this snapshot sees; null if there is none or the cache cannot be asked. Errors: 22004 a null key, 22023 an empty, too long or reserved one';
REVOKE ALL ON FUNCTION inventory_perf.cache_get(text) FROM PUBLIC;

CREATE FUNCTION inventory_perf.cache_get_many(keys text[]) RETURNS TABLE (key text, value jsonb)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cache_get_many_wrapper';
COMMENT ON FUNCTION inventory_perf.cache_get_many(text[]) IS
'what cache_get() returns, for each of the keys and in their order, in one call to the store. Errors as cache_get()';
REVOKE ALL ON FUNCTION inventory_perf.cache_get_many(text[]) FROM PUBLIC;

CREATE FUNCTION inventory_perf.cache_exists(key text) RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cache_exists_wrapper';
COMMENT ON FUNCTION inventory_perf.cache_exists(text) IS
'whether cache_get() would find a value. Errors as cache_get()';
REVOKE ALL ON FUNCTION inventory_perf.cache_exists(text) FROM PUBLIC;

CREATE FUNCTION inventory_perf.cache_set(
    key text, value jsonb, ttl interval DEFAULT '60 s', tags text[] DEFAULT '{}'
) RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cache_set_wrapper';
COMMENT ON FUNCTION inventory_perf.cache_set(text, jsonb, interval, text[]) IS
'stores a value until ttl is over, the key or one of the tags is invalidated. The value must come from this statement, or from statements after cache_get() of the same key in this session. False if it was not stored: it may be older than a change, the transaction has written or is not READ COMMITTED, or the cache cannot be asked. Errors: 22004 a null argument, 22023 a bad key, tag or ttl';
REVOKE ALL ON FUNCTION inventory_perf.cache_set(text, jsonb, interval, text[]) FROM PUBLIC;

CREATE FUNCTION inventory_perf.cache_set_many(
    entries jsonb, ttl interval DEFAULT '60 s', tags text[] DEFAULT '{}'
) RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cache_set_many_wrapper';
COMMENT ON FUNCTION inventory_perf.cache_set_many(jsonb, interval, text[]) IS
'does what cache_set() does for every key and value of an object, in the same number of calls to the store; returns how many were stored. Errors as cache_set()';
REVOKE ALL ON FUNCTION inventory_perf.cache_set_many(jsonb, interval, text[]) FROM PUBLIC;

-- The store when no Redis is configured. Nobody but the owner reads it: functions check what they
-- find there.

CREATE UNLOGGED TABLE inventory_perf.cache_entries (
    -- key:… or query:…
    name text COLLATE "C" PRIMARY KEY,
    value bytea NOT NULL,
    expires_at timestamptz NOT NULL,
    written_at timestamptz NOT NULL
) WITH (
    autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 1000,
    toast.autovacuum_vacuum_scale_factor = 0.0, toast.autovacuum_vacuum_threshold = 1000
);
-- Values are compressed already.
ALTER TABLE inventory_perf.cache_entries ALTER COLUMN value SET STORAGE EXTERNAL;
CREATE INDEX cache_entries_written_at ON inventory_perf.cache_entries (written_at);
COMMENT ON TABLE inventory_perf.cache_entries IS
'internal to inventory_perf: cached values when no Redis is configured';

CREATE UNLOGGED TABLE inventory_perf.cache_stamps (
    -- key:… or tag:…
    name text COLLATE "C" PRIMARY KEY,
    stamp text NOT NULL,
    expires_at timestamptz NOT NULL
) WITH (
    -- An invalidation changes a row in place.
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 1000
);
COMMENT ON TABLE inventory_perf.cache_stamps IS
'internal to inventory_perf: what cached values depend on when no Redis is configured; a stamp becomes another one when that changes';

-- Health and statistics

CREATE FUNCTION inventory_perf.cache_health()
RETURNS TABLE (mode text, reachable boolean, server_version text, run_id text, latency interval,
               epoch_ok boolean, lease_left interval, breaker_state text, outbox_rows bigint,
               outbox_age interval, last_error text)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cache_health_wrapper';
COMMENT ON FUNCTION inventory_perf.cache_health() IS
'asks the store of the cache, and says whether it answers and is the confirmed one, what waits to be delivered, and the last error of this session, or of the workers';
REVOKE ALL ON FUNCTION inventory_perf.cache_health() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION inventory_perf.cache_health() TO pg_monitor;

CREATE FUNCTION inventory_perf.cache_stats_row()
RETURNS TABLE (scope text, hits bigint, misses bigint, misses_by_reason jsonb, fills bigint,
               fills_refused bigint, fills_too_large bigint, bytes_read bigint,
               bytes_written bigint, store_calls bigint, mean_latency interval,
               p50_latency interval, p99_latency interval, max_latency interval,
               breaker_state text, outbox_rows bigint, outbox_age interval, lease_left interval)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cache_stats_row_wrapper';
COMMENT ON FUNCTION inventory_perf.cache_stats_row() IS
'what the view inventory_perf.cache_stats shows';
REVOKE ALL ON FUNCTION inventory_perf.cache_stats_row() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION inventory_perf.cache_stats_row() TO pg_monitor;

CREATE VIEW inventory_perf.cache_stats AS
SELECT s.scope, s.hits, s.misses, s.misses_by_reason, s.fills, s.fills_refused, s.fills_too_large,
       s.bytes_read, s.bytes_written, s.store_calls, s.mean_latency, s.p50_latency, s.p99_latency,
       s.max_latency, s.breaker_state, s.outbox_rows, s.outbox_age, s.lease_left
FROM inventory_perf.cache_stats_row() s;
COMMENT ON VIEW inventory_perf.cache_stats IS
'counters of the cache since the server started: of every session of the database if shared_preload_libraries names the library (scope database), else of this session (scope session). p50 and p99 are exact to a factor of two';
REVOKE ALL ON inventory_perf.cache_stats FROM PUBLIC;
GRANT SELECT ON inventory_perf.cache_stats TO pg_monitor;
