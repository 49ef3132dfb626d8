CREATE SCHEMA staleness;

CREATE TABLE staleness.counters (
    counter integer PRIMARY KEY,
    value bigint NOT NULL
) WITH (fillfactor = 30);

CREATE TABLE staleness.scribbles (scribble integer);

-- When an answer was asked for; a reader recognizes answers out of the cache by it. Now and then it
-- takes its time, so that an answer is ready long after its snapshot was taken.
CREATE FUNCTION staleness.asked_at() RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF random() < 0.1 THEN
        PERFORM pg_sleep(random() * 0.015);
    END IF;
    RETURN extract(epoch FROM statement_timestamp()) * 1000000;
END
$$;

SELECT inventory_perf.invalidate_on_change(
    'staleness.counters',
    keys => ARRAY['counter:{counter}'],
    tags => ARRAY['counter:{counter}']
);
