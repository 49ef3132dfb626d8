-- An inventory of which every number is known: no random, and ANALYZE reads every row.
SET default_statistics_target = 1000;

CREATE TABLE suppliers (id integer PRIMARY KEY, name text NOT NULL, country text NOT NULL);
INSERT INTO suppliers SELECT n, 'supplier ' || n, 'country ' || n % 20 FROM generate_series(1, 3000) n;

CREATE TABLE items (
    id integer PRIMARY KEY,
    sku text NOT NULL,
    code varchar(20) NOT NULL,
    label text COLLATE "en-x-icu" NOT NULL,
    name text NOT NULL,
    search tsvector NOT NULL,
    zone text NOT NULL,
    shelf integer NOT NULL,
    floor integer NOT NULL,
    usage_type text NOT NULL,
    request_no text NOT NULL,
    order_no text,
    supplier_id integer NOT NULL,
    price numeric(10, 2),
    quantity integer NOT NULL,
    active boolean NOT NULL,
    checked_at timestamptz,
    created_at timestamptz NOT NULL,
    received_at timestamp NOT NULL,
    received_on date NOT NULL,
    attrs jsonb NOT NULL,
    tags text[] NOT NULL
);
-- What is taken modulo a prime after a multiplication stands in no order.
INSERT INTO items
SELECT n, 'SKU-' || md5(n::text), 'C' || n * 7919::bigint % 100003, 'label ' || md5('l' || n),
    'bolt ' || md5('n' || n), to_tsvector('simple', 'word' || n % 4001 || ' part common'),
    'zone ' || n * 7919::bigint % 40, n * 104729::bigint % 211, n * 1299709::bigint % 5,
    CASE WHEN n % 3 = 0 THEN 'rental' ELSE 'sale' END,
    'REQ-' || n * 7919::bigint % 100003,
    CASE WHEN n % 50 = 0 THEN 'ORD-' || n END,
    n * 15485863::bigint % 3000 + 1,
    CASE WHEN n % 10 <> 0 THEN (n * 32452843::bigint % 100003) / 100.0 END,
    n * 49979687::bigint % 1009,
    n % 97 <> 0,
    CASE WHEN n % 200 <> 0 THEN timestamptz '2024-01-01 00:00Z' + n * interval '1 min' END,
    timestamptz '2023-01-01 00:00Z' + (n * 67867967::bigint % 100003) * interval '5 min',
    timestamp '2000-01-01' + (n * 86028121::bigint % 100003) * interval '2 hours',
    date '2000-01-01' + (n * 86028157::bigint % 7919)::integer,
    jsonb_build_object('serial', 'S' || n, 'color', 'c' || n * 7919::bigint % 1000)
        || CASE WHEN n % 1000 = 0 THEN '{"recalled": true}' ELSE '{}'::jsonb END,
    ARRAY['all', 't' || n % 1009]
FROM generate_series(1, 100000) n;
CREATE VIEW active_items AS SELECT * FROM items WHERE active;

-- Stored in the order of time.
CREATE TABLE moves (
    id integer PRIMARY KEY,
    item_id integer NOT NULL,
    from_location integer NOT NULL,
    to_location integer NOT NULL,
    quantity integer NOT NULL,
    state text NOT NULL,
    moved_at timestamptz NOT NULL,
    reference text NOT NULL
);
INSERT INTO moves
SELECT n, n * 7919::bigint % 20011, n * 104729::bigint % 50, n * 1299709::bigint % 53, n % 100,
    CASE WHEN n % 100 = 7 THEN 'draft' ELSE 'done' END,
    timestamptz '2023-01-01 00:00Z' + n * interval '2 min', 'reference ' || md5(n::text)
FROM generate_series(1, 250000) n;

CREATE TABLE requests (
    id integer PRIMARY KEY, requester integer NOT NULL, title text NOT NULL, opened_at timestamptz NOT NULL,
    closed_at timestamptz
);
INSERT INTO requests
SELECT n, n * 7919::bigint % 503, 'request ' || md5(n::text), timestamptz '2023-01-01 00:00Z' + n * interval '9 min',
    CASE WHEN n % 50 <> 0 THEN timestamptz '2023-02-01 00:00Z' + n * interval '9 min' END
FROM generate_series(1, 60000) n;

CREATE TABLE bins (id integer PRIMARY KEY, note text NOT NULL);
INSERT INTO bins SELECT n, md5(n::text) FROM generate_series(1, 5000) n;
CREATE TABLE "Bin Contents" (
    id integer PRIMARY KEY, "Bin" integer NOT NULL REFERENCES bins, "Lot""No" text NOT NULL, note text NOT NULL
);
INSERT INTO "Bin Contents"
SELECT n, n * 7919::bigint % 5000 + 1, 'lot ' || n * 7919::bigint % 30011, md5(n::text) FROM generate_series(1, 60000) n;

-- These have their indexes.
CREATE TABLE orders (
    id integer PRIMARY KEY, customer_id integer NOT NULL, placed_at timestamptz NOT NULL, status text NOT NULL,
    email text NOT NULL, number text NOT NULL UNIQUE, attrs jsonb NOT NULL, remark text NOT NULL
);
INSERT INTO orders
SELECT n, n * 7919::bigint % 3001, timestamptz '2023-01-01 00:00Z' + n * interval '7 min',
    CASE WHEN n % 100 = 0 THEN 'open' ELSE 'closed' END, 'User' || n || '@example.org', 'N' || n,
    jsonb_build_object('ref', n % 5003), 'remark ' || md5(n::text)
FROM generate_series(1, 60000) n;
CREATE INDEX orders_customer_placed ON orders (customer_id, placed_at DESC);
CREATE INDEX orders_open ON orders (placed_at) WHERE status = 'open';
CREATE INDEX orders_email ON orders (lower(email));
CREATE INDEX orders_attrs ON orders USING gin (attrs jsonb_path_ops);
CREATE INDEX orders_remark ON orders USING gin (remark gin_trgm_ops);

-- Left behind by a build that failed.
CREATE TABLE scans (id integer PRIMARY KEY, barcode text NOT NULL, scanned_at timestamptz NOT NULL);
INSERT INTO scans SELECT n, 'B' || n * 7919::bigint % 50021, timestamptz '2023-01-01 00:00Z' + n * interval '1 min'
FROM generate_series(1, 60000) n;
CREATE INDEX scans_barcode_idx ON scans (barcode);
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'scans_barcode_idx'::regclass;

-- What goes with a shipment.
CREATE TABLE shipments (id integer PRIMARY KEY, note text NOT NULL);
INSERT INTO shipments SELECT n, md5(n::text) FROM generate_series(1, 5000) n;
CREATE TABLE shipment_lines (
    id integer PRIMARY KEY, shipment_id integer NOT NULL REFERENCES shipments ON DELETE CASCADE, note text NOT NULL
);
INSERT INTO shipment_lines SELECT n, n * 7919::bigint % 5000 + 1, md5(n::text) FROM generate_series(1, 40000) n;
CREATE TABLE line_photos (
    taken_on date NOT NULL, line_id integer NOT NULL REFERENCES shipment_lines ON DELETE CASCADE, note text NOT NULL
) PARTITION BY RANGE (taken_on);
CREATE TABLE line_photos_2023 PARTITION OF line_photos FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE line_photos_later PARTITION OF line_photos DEFAULT;
INSERT INTO line_photos
SELECT date '2023-01-01' + n % 700, n * 7919::bigint % 40000 + 1, md5(n::text) FROM generate_series(1, 60000) n;

CREATE TABLE zones (id integer, name text, floor integer);
INSERT INTO zones SELECT n, 'zone ' || n, n % 5 FROM generate_series(1, 60) n;

VACUUM ANALYZE;
