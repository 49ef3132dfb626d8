-- Cached queries without Redis: what is computed, what is stored and what is given again.
SET search_path = inventory_perf, public;
SET inventory_perf.cache_ttl_jitter = 0;
CREATE TABLE public.stock (id int PRIMARY KEY, level int);
INSERT INTO stock VALUES (1, 10), (2, 20);
SELECT invalidate_on_change('stock');

-- Counts since the call before.
CREATE TABLE public.seen AS SELECT 0::bigint AS hits, '{}'::jsonb AS misses, 0::bigint AS fills, 0::bigint AS refused;
CREATE VIEW public.counted AS SELECT hits, misses_by_reason AS misses, fills, fills_refused AS refused FROM cache_stats;
CREATE FUNCTION public.counts(OUT hits bigint, OUT misses text, OUT fills bigint, OUT refused bigint) LANGUAGE plpgsql AS $$
DECLARE
    before seen;
    now counted;
BEGIN
    SELECT * INTO before FROM seen;
    SELECT * INTO now FROM counted;
    UPDATE seen SET (hits, misses, fills, refused) = (now.hits, now.misses, now.fills, now.refused);
    hits := now.hits - before.hits;
    misses := (SELECT string_agg(m.key || ' ' || m.value::bigint - coalesce((before.misses ->> m.key)::bigint, 0), ', ' ORDER BY m.key)
               FROM jsonb_each_text(now.misses) m WHERE m.value::bigint > coalesce((before.misses ->> m.key)::bigint, 0));
    fills := now.fills - before.fills;
    refused := now.refused - before.refused;
END
$$;

-- nobody has delivered yet
SELECT * FROM cached_query('SELECT sum(level) FROM stock');
SELECT * FROM counts();
SELECT deliver_invalidations() >= 0 AS delivered;

-- the first call makes the stamps of the table, the second one stores, and then there are hits
SELECT * FROM cached_query('SELECT sum(level) FROM stock');
SELECT * FROM counts();
SELECT * FROM cached_query('SELECT sum(level) FROM stock');
SELECT * FROM counts();
SELECT * FROM cached_query('SELECT sum(level) FROM stock');
SELECT * FROM cached_query('SELECT sum(level) FROM stock');
SELECT * FROM counts();
-- another query of the same table is stored at once
SELECT * FROM cached_query('SELECT id, level FROM stock WHERE level >= $1 ORDER BY id', '[15]');
SELECT * FROM cached_query('SELECT id, level FROM stock WHERE level >= $1 ORDER BY id', '[15]');
SELECT * FROM cached_query('SELECT id, level FROM stock WHERE level >= $1 ORDER BY id', '[5]');
SELECT * FROM counts();

-- a change counts from its commit on, delivered or not
UPDATE stock SET level = 11 WHERE id = 1;
SELECT * FROM cached_query('SELECT sum(level) FROM stock');
SELECT * FROM counts();
SELECT deliver_invalidations();
-- the first call after it stores
SELECT * FROM cached_query('SELECT sum(level) FROM stock');
SELECT * FROM counts();
SELECT * FROM cached_query('SELECT sum(level) FROM stock');
SELECT * FROM counts();

-- what has expired is counted so, and stored again at once
SELECT * FROM cached_query('SELECT max(level) FROM stock', ttl => '10 ms');
SELECT * FROM counts();
SELECT pg_sleep(0.05);
SELECT * FROM cached_query('SELECT max(level) FROM stock');
SELECT * FROM counts();
SELECT * FROM cached_query('SELECT max(level) FROM stock');
SELECT * FROM counts();

-- who does without
BEGIN;
SELECT pg_current_xact_id() IS NOT NULL AS writes;
SELECT * FROM cached_query('SELECT max(level) FROM stock');
COMMIT;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM cached_query('SELECT max(level) FROM stock');
COMMIT;
SET inventory_perf.cache_enabled = off;
SELECT * FROM cached_query('SELECT max(level) FROM stock');
RESET inventory_perf.cache_enabled;
SELECT * FROM counts();
BEGIN READ ONLY;
SELECT * FROM cached_query('SELECT max(level) FROM stock');
SELECT * FROM cached_query('SELECT min(level) FROM stock');
COMMIT;
SELECT * FROM counts();

-- a cache that is damaged, flushed or emptied
UPDATE cache_entries SET value = '\x00' WHERE name LIKE 'query:%';
SELECT * FROM cached_query('SELECT max(level) FROM stock');
SELECT * FROM cached_query('SELECT max(level) FROM stock');
SELECT * FROM counts();
SELECT cache_flush();
SELECT * FROM cached_query('SELECT max(level) FROM stock');
SELECT deliver_invalidations();
SELECT * FROM counts();
SELECT * FROM cached_query('SELECT max(level) FROM stock');
SELECT * FROM cached_query('SELECT max(level) FROM stock');
SELECT * FROM cached_query('SELECT max(level) FROM stock');
SELECT * FROM counts();
DELETE FROM cache_state;
SELECT * FROM cached_query('SELECT max(level) FROM stock');
SELECT * FROM counts();
