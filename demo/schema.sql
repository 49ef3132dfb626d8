CREATE TABLE products (
    product_id   integer PRIMARY KEY,
    department   text,
    product_type text
);

-- An ordinary ledger, and the index that anybody would give it to ask for stock: it
-- holds all that a sum over a product's movements needs.
CREATE TABLE stock_moves (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    store_id   integer NOT NULL,
    product_id integer NOT NULL,
    quantity   integer NOT NULL,
    moved_at   timestamptz NOT NULL,
    move_type  text NOT NULL
);
CREATE INDEX stock_moves_by_product
    ON stock_moves (product_id, store_id, moved_at) INCLUDE (quantity);
