//! Workloads whose best indexes are known.

/// One workload. `best` lists what may be advised for it: one of these sets of indexes, whole.
pub struct Case {
    pub name: &'static str,
    pub workload: &'static [&'static str],
    pub best: &'static [&'static [&'static str]],
    pub storage_budget: Option<i64>,
}

const fn case(
    name: &'static str,
    workload: &'static [&'static str],
    best: &'static [&'static [&'static str]],
) -> Case {
    Case {
        name,
        workload,
        best,
        storage_budget: None,
    }
}

/// Nothing is to be advised.
const fn nothing(name: &'static str, workload: &'static [&'static str]) -> Case {
    case(name, workload, &[&[]])
}

/// Indexes are written as DDL has them, without a name, the schema and `USING btree`.
pub const CASES: &[Case] = &[
    // One column.
    case(
        "equality",
        &["SELECT * FROM items WHERE sku = 'SKU-1'"],
        &[&["items (sku)"]],
    ),
    case(
        "equality with a parameter",
        &["SELECT * FROM items WHERE sku = $1"],
        &[&["items (sku)"]],
    ),
    case(
        "equality of varchar",
        &["SELECT * FROM items WHERE code = 'C17'"],
        &[&["items (code)"]],
    ),
    case(
        "date with a parameter",
        &["SELECT * FROM items WHERE received_on = $1"],
        &[&["items (received_on)"]],
    ),
    case(
        "narrow range",
        &["SELECT * FROM items WHERE created_at >= '2023-02-01' AND created_at < '2023-02-02'"],
        &[&["items (created_at)"]],
    ),
    case(
        "list",
        &["SELECT * FROM items WHERE sku IN ('a', 'b', 'c')"],
        &[&["items (sku)"]],
    ),
    case(
        "array parameter",
        &["SELECT * FROM items WHERE request_no = ANY ($1)"],
        &[&["items (request_no)"]],
    ),
    case(
        "update by a key",
        &["UPDATE items SET quantity = quantity - 1 WHERE sku = $1"],
        &[&["items (sku)"]],
    ),
    case(
        "delete by a key",
        &["DELETE FROM moves WHERE item_id = $1"],
        &[&["moves (item_id)"]],
    ),
    case(
        "through a view",
        &["SELECT * FROM active_items WHERE sku = $1"],
        &[&["items (sku)"], &["items (sku) WHERE active"]],
    ),
    case(
        "inside WITH",
        &["WITH found AS (SELECT * FROM items WHERE request_no = $1) SELECT * FROM found"],
        &[&["items (request_no)"]],
    ),
    case(
        "names that need quotes",
        &[r#"SELECT * FROM "Bin Contents" WHERE "Lot""No" = $1"#],
        &[&[r#""Bin Contents" ("Lot""No")"#]],
    ),
    case(
        "the more selective of two ranges",
        &["SELECT * FROM items WHERE quantity < 3 AND price > 500"],
        &[&["items (quantity)"], &["items (quantity, price)"]],
    ),
    // Several columns.
    case(
        "two equalities",
        &["SELECT * FROM items WHERE shelf = 7 AND zone = 'zone 3'"],
        &[&["items (shelf, zone)"], &["items (zone, shelf)"]],
    ),
    case(
        "three equalities",
        &["SELECT * FROM items WHERE floor = $1 AND shelf = $2 AND zone = $3"],
        &[
            &["items (shelf, zone, floor)"],
            &["items (shelf, floor, zone)"],
            &["items (zone, shelf, floor)"],
            &["items (zone, floor, shelf)"],
            &["items (floor, shelf, zone)"],
            &["items (floor, zone, shelf)"],
        ],
    ),
    case(
        "equality, then a range",
        &["SELECT * FROM moves WHERE item_id = 5 AND moved_at >= '2023-12-01'"],
        &[&["moves (item_id, moved_at)"]],
    ),
    case(
        "the range stands first in the statement",
        &["SELECT * FROM items WHERE price > 990 AND zone = 'zone 3'"],
        &[&["items (zone, price)"]],
    ),
    case(
        "equality and a list",
        &["SELECT * FROM items WHERE zone = 'zone 3' AND shelf IN (1, 2, 3)"],
        &[&["items (zone, shelf)"], &["items (shelf, zone)"]],
    ),
    case(
        "one index for two statements",
        &[
            "SELECT * FROM items WHERE zone = $1 AND shelf = $2",
            "SELECT * FROM items WHERE shelf = $1",
        ],
        &[&["items (shelf, zone)"]],
    ),
    case(
        "two indexes for two statements",
        &[
            "SELECT * FROM items WHERE sku = $1",
            "SELECT * FROM items WHERE request_no = $1",
        ],
        &[&["items (sku)", "items (request_no)"]],
    ),
    case(
        "either of two",
        &["SELECT * FROM items WHERE sku = 'a' OR request_no = 'b'"],
        &[&["items (sku)", "items (request_no)"]],
    ),
    // Orders.
    case(
        "first rows in an order",
        &["SELECT * FROM items ORDER BY created_at LIMIT 10"],
        &[&["items (created_at)"]],
    ),
    case(
        "equality, then the last rows",
        &["SELECT * FROM moves WHERE item_id = $1 ORDER BY moved_at DESC LIMIT 3"],
        &[
            &["moves (item_id, moved_at)"],
            &["moves (item_id, moved_at DESC)"],
        ],
    ),
    case(
        "directions that differ",
        &["SELECT * FROM items WHERE zone = 'zone 3' ORDER BY quantity DESC, created_at LIMIT 10"],
        &[
            &["items (zone, quantity DESC, created_at)"],
            &["items (zone, quantity, created_at DESC)"],
        ],
    ),
    case(
        "nulls where they are not by default",
        &["SELECT * FROM items ORDER BY price DESC NULLS LAST LIMIT 10"],
        &[
            &["items (price DESC NULLS LAST)"],
            &["items (price NULLS FIRST)"],
        ],
    ),
    case(
        "next page by key",
        &["SELECT * FROM items WHERE (created_at, id) > ($1, $2) ORDER BY created_at, id LIMIT 20"],
        &[&["items (created_at, id)"]],
    ),
    case(
        "greatest of a group",
        &["SELECT max(moved_at) FROM moves WHERE item_id = 7"],
        &[
            &["moves (item_id, moved_at)"],
            &["moves (item_id, moved_at DESC)"],
            &["moves (item_id) INCLUDE (moved_at)"],
        ],
    ),
    // A part of the rows.
    case(
        "rare state and a key",
        &["SELECT * FROM moves WHERE state = 'draft' AND item_id = $1"],
        &[&["moves (item_id) WHERE (state = 'draft'::text)"]],
    ),
    case(
        "rare state in an order",
        &["SELECT * FROM moves WHERE state = 'draft' ORDER BY moved_at LIMIT 20"],
        &[
            &["moves (moved_at) WHERE (state = 'draft'::text)"],
            &["moves (state, moved_at)"],
        ],
    ),
    case(
        "what is still open, of one",
        &["SELECT * FROM requests WHERE closed_at IS NULL AND requester = $1"],
        &[&["requests (requester) WHERE (closed_at IS NULL)"]],
    ),
    case(
        "rarely null",
        &["SELECT * FROM items WHERE checked_at IS NULL"],
        &[
            &["items (id) WHERE (checked_at IS NULL)"],
            &["items (checked_at)"],
            &["items (checked_at) WHERE (checked_at IS NULL)"],
        ],
    ),
    case(
        "rarely not null",
        &["SELECT * FROM items WHERE order_no IS NOT NULL AND quantity = 0"],
        &[&["items (quantity) WHERE (order_no IS NOT NULL)"]],
    ),
    case(
        "rarely false",
        &["SELECT * FROM items WHERE NOT active"],
        &[
            &["items (id) WHERE (NOT active)"],
            &["items (active)"],
            &["items (active) WHERE (NOT active)"],
        ],
    ),
    case(
        "rarely false, and a key",
        &["SELECT * FROM items WHERE NOT active AND zone = $1"],
        &[&["items (zone) WHERE (NOT active)"]],
    ),
    // The index alone.
    case(
        "a column carried",
        &["SELECT quantity FROM moves WHERE item_id = $1"],
        &[
            &["moves (item_id) INCLUDE (quantity)"],
            &["moves (item_id, quantity)"],
        ],
    ),
    case(
        "a sum over a range",
        &["SELECT sum(quantity) FROM moves WHERE to_location = 3 AND moved_at >= '2023-11-01'"],
        &[
            &["moves (to_location, moved_at) INCLUDE (quantity)"],
            &["moves (to_location, moved_at, quantity)"],
        ],
    ),
    // Expressions.
    case(
        "lower()",
        &["SELECT * FROM items WHERE lower(sku) = lower($1)"],
        &[&["items (lower(sku))"]],
    ),
    case(
        "coalesce()",
        &["SELECT * FROM items WHERE coalesce(order_no, request_no) = 'ORD-50'"],
        &[
            &["items (COALESCE(order_no, request_no))"],
            &["items ((COALESCE(order_no, request_no)))"],
        ],
    ),
    case(
        "date_trunc()",
        &["SELECT * FROM items WHERE date_trunc('day', received_at) = '2010-02-03'"],
        &[&["items (date_trunc('day'::text, received_at))"]],
    ),
    case(
        "a member of jsonb",
        &["SELECT * FROM items WHERE attrs ->> 'serial' = $1"],
        &[&["items (((attrs ->> 'serial'::text)))"]],
    ),
    // Patterns.
    case(
        "prefix in a collation",
        &["SELECT * FROM items WHERE label LIKE 'label abc%'"],
        &[&["items (label text_pattern_ops)"]],
    ),
    case(
        "prefix in the C collation",
        &["SELECT * FROM items WHERE sku LIKE 'SKU-abc%'"],
        &[&["items (sku)"], &["items (sku text_pattern_ops)"]],
    ),
    case(
        "word anywhere, of any case",
        &["SELECT * FROM items WHERE name ILIKE '%ab12c%'"],
        &[&["items USING gin (name gin_trgm_ops)"]],
    ),
    case(
        "word anywhere",
        &["SELECT * FROM items WHERE name LIKE '%ab12c%'"],
        &[&["items USING gin (name gin_trgm_ops)"]],
    ),
    // Inverted indexes.
    case(
        "full text over an expression",
        &[
            "SELECT * FROM items WHERE to_tsvector('english', name) @@ plainto_tsquery('english', 'ab12c')",
        ],
        &[&["items USING gin (to_tsvector('english'::regconfig, name))"]],
    ),
    case(
        "full text over a column",
        &["SELECT * FROM items WHERE search @@ to_tsquery('simple', 'word17')"],
        &[&["items USING gin (search)"]],
    ),
    case(
        "jsonb contains",
        &[r#"SELECT * FROM items WHERE attrs @> '{"color": "c5"}'"#],
        &[
            &["items USING gin (attrs jsonb_path_ops)"],
            &["items USING gin (attrs)"],
        ],
    ),
    case(
        "jsonb has a key",
        &["SELECT * FROM items WHERE attrs ? 'recalled'"],
        &[&["items USING gin (attrs)"]],
    ),
    case(
        "array contains",
        &["SELECT * FROM items WHERE tags @> ARRAY['t17']"],
        &[&["items USING gin (tags)"]],
    ),
    case(
        "array overlaps",
        &["SELECT * FROM items WHERE tags && ARRAY['t17', 't18']"],
        &[&["items USING gin (tags)"]],
    ),
    // Time, in whose order rows are stored.
    case(
        "range of time",
        &["SELECT * FROM moves WHERE moved_at >= '2023-03-01' AND moved_at < '2023-03-08'"],
        &[&["moves USING brin (moved_at)"], &["moves (moved_at)"]],
    ),
    Case {
        name: "range of time, in few bytes",
        workload: &[
            "SELECT * FROM moves WHERE moved_at >= '2023-03-01' AND moved_at < '2023-03-08'",
        ],
        best: &[&["moves USING brin (moved_at)"]],
        storage_budget: Some(1 << 20),
    },
    // Joins.
    case(
        "join to a given row",
        &["SELECT * FROM suppliers s JOIN items i ON i.supplier_id = s.id WHERE s.id = $1"],
        &[&["items (supplier_id)"]],
    ),
    case(
        "join of the rows of few",
        &["SELECT m.* FROM items i JOIN moves m ON m.item_id = i.id WHERE i.sku = $1"],
        &[
            &["items (sku)", "moves (item_id)"],
            &["items (sku) INCLUDE (id)", "moves (item_id)"],
            &["items (sku, id)", "moves (item_id)"],
        ],
    ),
    case(
        "EXISTS",
        &["SELECT * FROM items i WHERE i.supplier_id = 5 AND EXISTS
               (SELECT FROM moves m WHERE m.item_id = i.id)"],
        &[&["items (supplier_id)", "moves (item_id)"]],
    ),
    case(
        "columns that refer to rows that are deleted",
        &["DELETE FROM bins WHERE id = $1"],
        &[&[r#""Bin Contents" ("Bin")"#]],
    ),
    case(
        "what deletions cascade to",
        &["DELETE FROM shipments WHERE id = $1"],
        &[&["shipment_lines (shipment_id)", "line_photos (line_id)"]],
    ),
    // Tables of another kind.
    case(
        "a partitioned table",
        &["SELECT * FROM line_photos WHERE line_id = $1"],
        &[&["line_photos (line_id)"]],
    ),
    case(
        "a partitioned table in an order",
        &["SELECT * FROM line_photos WHERE line_id = $1 ORDER BY taken_on DESC LIMIT 1"],
        &[
            &["line_photos (line_id, taken_on)"],
            &["line_photos (line_id, taken_on DESC)"],
            &["line_photos (line_id)"],
        ],
    ),
    case(
        "an invalid index is there",
        &["SELECT * FROM scans WHERE barcode = $1"],
        &[&["scans (barcode)"]],
    ),
    // The query inside a command.
    case(
        "a cursor",
        &["DECLARE c CURSOR FOR SELECT * FROM items WHERE sku = 'SKU-1'"],
        &[&["items (sku)"]],
    ),
    case(
        "a statement prepared with a type",
        &["PREPARE p (text) AS SELECT * FROM items WHERE sku = $1"],
        &[&["items (sku)"]],
    ),
    case(
        "a table made of a query",
        &["CREATE TABLE found AS SELECT * FROM items WHERE sku = 'SKU-1'"],
        &[&["items (sku)"]],
    ),
    // Writes that an index makes more expensive, and does not.
    case(
        "rows that are updated elsewhere",
        &[
            "SELECT * FROM items WHERE quantity = $1",
            "UPDATE items SET price = 0 WHERE id <= 1000",
        ],
        &[&["items (quantity)"]],
    ),
    nothing(
        "written more than read",
        &[
            "SELECT * FROM moves WHERE item_id = $1",
            "INSERT INTO moves SELECT n, n % 7, 1, 2, 3, 'done', now(), '' FROM generate_series(300000, 600000) n",
        ],
    ),
    nothing(
        "a column that is updated all the time",
        &[
            "SELECT * FROM items WHERE quantity = $1",
            "UPDATE items SET quantity = quantity - 1 WHERE id <= 50000",
        ],
    ),
    // Nothing to advise.
    nothing(
        "a small table",
        &["SELECT * FROM zones WHERE name = 'zone 3'"],
    ),
    nothing(
        "the primary key is there",
        &["SELECT * FROM items WHERE id = $1"],
    ),
    nothing(
        "a unique constraint is there",
        &["SELECT * FROM orders WHERE number = $1"],
    ),
    nothing(
        "an index is there for the order",
        &["SELECT * FROM orders WHERE customer_id = $1 ORDER BY placed_at DESC LIMIT 5"],
    ),
    nothing(
        "an index is there for the order, read backwards",
        &["SELECT * FROM orders WHERE customer_id = $1 ORDER BY placed_at LIMIT 5"],
    ),
    nothing(
        "an index begins with it",
        &["SELECT * FROM orders WHERE customer_id = $1"],
    ),
    nothing(
        "a partial index is there",
        &["SELECT * FROM orders WHERE status = 'open' ORDER BY placed_at LIMIT 10"],
    ),
    nothing(
        "an expression is indexed",
        &["SELECT * FROM orders WHERE lower(email) = $1"],
    ),
    nothing(
        "an inverted index is there",
        &[r#"SELECT * FROM orders WHERE attrs @> '{"ref": 7}'"#],
    ),
    nothing(
        "trigrams are there",
        &["SELECT * FROM orders WHERE remark ILIKE '%ab12c%'"],
    ),
    nothing(
        "only written",
        &["INSERT INTO requests VALUES ($1, $2, $3, $4, NULL)"],
    ),
    nothing(
        "updated by its key",
        &["UPDATE items SET quantity = $2, zone = $3 WHERE id = $1"],
    ),
    nothing("most rows", &["SELECT * FROM items WHERE active"]),
    nothing("every row", &["SELECT * FROM items WHERE quantity >= 0"]),
    nothing(
        "half of the rows",
        &["SELECT * FROM items WHERE usage_type = 'sale'"],
    ),
    nothing("all but one", &["SELECT * FROM items WHERE sku <> 'a'"]),
    nothing(
        "a sum over everything",
        &["SELECT sum(price), avg(quantity), max(note) FROM
        (SELECT price, quantity, name AS note FROM items) i"],
    ),
    nothing("first rows in no order", &["SELECT * FROM items LIMIT 10"]),
    nothing(
        "a letter anywhere",
        &["SELECT * FROM items WHERE name ILIKE '%o%'"],
    ),
    nothing(
        "a word of every row",
        &["SELECT * FROM items WHERE search @@ to_tsquery('simple', 'common')"],
    ),
    nothing(
        "an element of every row",
        &["SELECT * FROM items WHERE tags @> ARRAY['all']"],
    ),
    nothing(
        "other every time",
        &["SELECT * FROM items WHERE quantity = (random() * 1000)::integer"],
    ),
    nothing(
        "catalogs",
        &["SELECT * FROM pg_catalog.pg_class WHERE relpages = 7"],
    ),
    nothing(
        "everything of both sides",
        &["SELECT * FROM items i JOIN moves m ON m.item_id = i.id"],
    ),
];
