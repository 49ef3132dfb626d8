-- Cached queries.

CREATE FUNCTION inventory_perf.cached_query(
    query text, params jsonb DEFAULT '[]', ttl interval DEFAULT '60 s', tags text[] DEFAULT '{}'
) RETURNS SETOF jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'inventory_perf_cached_query';
COMMENT ON FUNCTION inventory_perf.cached_query(text, jsonb, interval, text[]) IS
'rows of one SELECT as jsonb objects, from the cache where that is exact, else computed. params are the values of $1, $2, …; an entry lives for ttl, and is invalid as soon as one of its tags is: without tags, as soon as a table that it was computed from changes. Runs with the caller''s rights. Errors: 22004 a null argument, 22023 not one SELECT, wrong number of parameters or a ttl that is not positive, 42804 a parameter of another kind than its type, 42P18 a parameter whose type cannot be told, 42701 two columns of one name';

CREATE TABLE inventory_perf.cached_queries (
    name text PRIMARY KEY,
    query text NOT NULL,
    params jsonb NOT NULL,
    ttl interval NOT NULL,
    tags text[] NOT NULL,
    -- By name, so that a dump can be restored where the role is not.
    owner text NOT NULL
);
COMMENT ON TABLE inventory_perf.cached_queries IS
'internal to inventory_perf: queries that cache_warm() knows by name';
SELECT pg_catalog.pg_extension_config_dump('inventory_perf.cached_queries', '');

CREATE FUNCTION inventory_perf.register_cached_query(
    name text, query text, params jsonb DEFAULT '[]', ttl interval DEFAULT '60 s',
    tags text[] DEFAULT '{}'
) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'inventory_perf_register_cached_query';
COMMENT ON FUNCTION inventory_perf.register_cached_query(text, text, jsonb, interval, text[]) IS
'gives the arguments of a cached_query() a name for cache_warm(), and replaces what the caller registered under the name before. Errors: as cached_query(), and 42501 a name that another role registered';
REVOKE ALL ON FUNCTION inventory_perf.register_cached_query(text, text, jsonb, interval, text[])
FROM PUBLIC;

CREATE FUNCTION inventory_perf.unregister_cached_query(name text) RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'unregister_cached_query_wrapper';
COMMENT ON FUNCTION inventory_perf.unregister_cached_query(text) IS
'forgets a registered query; false if there is none of that name. Error 42501 a name that another role registered';
REVOKE ALL ON FUNCTION inventory_perf.unregister_cached_query(text) FROM PUBLIC;

CREATE FUNCTION inventory_perf.cache_warm(name text DEFAULT NULL)
RETURNS TABLE (name text, rows bigint, bytes bigint, stored boolean, duration interval)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cache_warm_wrapper';
COMMENT ON FUNCTION inventory_perf.cache_warm(text) IS
'computes a registered query, or every one of the caller''s, as the caller, and stores the rows for cached_query() calls of the same role with the same arguments and settings; bytes are those of the rows as JSON. Errors: 42704 no such name, 42501 a name that another role registered';
REVOKE ALL ON FUNCTION inventory_perf.cache_warm(text) FROM PUBLIC;
