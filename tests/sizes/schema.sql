-- Columns of every kind: unique and repeated, even and skewed, in the order of the rows and not, apart
-- and depending on each other.
CREATE TYPE mood AS ENUM ('calm', 'brisk', 'wild');
SELECT setseed(0.25);
CREATE TABLE wares AS
SELECT id, id * 7919::bigint AS big, md5(id::text)::uuid AS uid, 'SKU-' || id * 31 % 200003 AS code,
    'c' || category AS category, 'k' || category % 4 AS kind_of_category,
    repeat('word ', 1 + chance % 9) || md5(chance::text) AS name,
    CASE WHEN chance % 20 <> 0 THEN repeat(md5(chance::text), 1 + chance % 11) END AS note,
    (chance % 100000 / 100.0)::numeric(12, 2) AS price, random() * 10 AS weight,
    date '2023-01-01' + id / 200 AS day, (date '2023-01-01' + id / 1400 * 7) AS week,
    timestamptz '2023-01-01 00:00:00Z' + id * interval '7 minutes' AS at,
    chance % 20 <> 3 AS active,
    CASE WHEN chance % 33 = 1 THEN timestamptz '2024-01-01 00:00:00Z' + chance * interval '1 second' END AS deleted_at,
    CASE WHEN chance % 10 < 7 THEN chance % 50000 END AS parent,
    customer, customer % 37 AS city_of_customer,
    (ARRAY['calm', 'calm', 'calm', 'brisk', 'wild'])[1 + chance % 5]::mood AS mood,
    ('B' || chance % 3000)::char(8) AS box, ('L' || chance % 5000)::name AS label,
    zip, zip / 20 AS city, a, a / 10 AS b, id / 4 AS order_no, (id % 4)::smallint AS line,
    (id * 7919::bigint % 200000 / 400)::integer AS grid_x, (id * 7919::bigint % 200000 % 400)::integer AS grid_y,
    CASE WHEN chance % 100 = 0 THEN 'open' WHEN chance % 100 < 5 THEN 'held' ELSE 'done' END AS status,
    jsonb_build_object('serial', 'S' || chance, 'color', 'color ' || chance % 60) AS attrs
FROM (SELECT id, floor(random() * 1000000000)::integer AS chance,
             floor(40 * random() ^ 3)::integer AS category, floor(20000 * random() ^ 3)::integer AS customer,
             floor(random() * 10000)::integer AS zip, floor(random() * 1000)::integer AS a
      FROM generate_series(1, 200000) AS id OFFSET 0) AS drawn;
CREATE TABLE links AS
SELECT floor(random() * 3000)::integer AS one, floor(random() * 500)::integer AS other
FROM generate_series(1, 300000);
CREATE TABLE shops AS
SELECT id, (ARRAY['north', 'south', 'south', 'west'])[1 + id % 4] AS region, 'city ' || id % 100 AS city,
    'shop ' || md5(id::text) AS name
FROM generate_series(1, 4000) AS id;
CREATE TABLE nothing (id integer, name text);
CREATE TABLE events (device integer, kind text, at timestamptz) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM ('2024-02-01') TO ('2024-04-01');
INSERT INTO events
SELECT device, CASE WHEN device % 50 = 0 THEN 'error' ELSE 'kind ' || device % 7 END,
    timestamptz '2024-01-01 00:00:00Z' + n * interval '30 seconds'
FROM (SELECT n, floor(random() * 2000)::integer AS device FROM generate_series(1, 200000) AS n) AS drawn;
VACUUM ANALYZE;
